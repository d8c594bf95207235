"""Changes become layers in the spool of one save."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.tree.changes import Change, LeaveOut
from snapshot_agent.tree.layer import Sink, TarWriter
from snapshot_agent.tree.split import SplitLayers
from snapshot_agent.tree.spool import Blob, LayerFile, Spool

# Never many, however much there is: each one is a layer of every image on top.
_MOST_PARTS = 4

# Each with the bytes of files in it.
Blobs = list[tuple[Blob, int]]


class LayerWriters:
    """Makes what writes layers, all under the same choices."""

    def __init__(
        self,
        spool: Spool,
        settings: CaptureSettings,
        *,
        canaries: tuple[bytes, ...],
        denied: set[tuple[int, int]],
        leave_out: LeaveOut,
        progress: Callable[[int], None],
        written: Callable[[Blob], None],
        live: bool = True,
    ) -> None:
        """`denied` inodes have a secret; what is not `live` does not change.

        `written` is told each layer that is finished.
        """
        self._spool = spool
        self._settings = settings
        self._canaries = canaries
        self._denied = denied
        self._leave_out = leave_out
        self._progress = progress
        self._written = written
        self._live = live
        self._names: list[str] = []

    def file(self, name: str) -> LayerFile:
        self._names.append(name)
        settings = self._settings
        file = self._spool.open(name)
        return LayerFile(file, settings.zstd_level, settings.zstd_threads)

    def writer(self, sink: Sink) -> TarWriter:
        return TarWriter(
            sink,
            canaries=self._canaries,
            denied=self._denied,
            leave_out=self._leave_out,
            largest_file=self._settings.largest_file,
            progress=self._progress,
            live=self._live,
        )

    def write(
        self,
        changes: Iterable[Change],
        take: Callable[[TarWriter, Change], None],
        name: str,
        expected: int,
        linked: int = 1,
    ) -> Blobs:
        """The layers of all these changes, none when there are none; `expected` bytes of files.

        `take` writes one change. So many of the layers may be `linked`, for files with several
        names: these are written side by side, and each has a compressor's memory.
        """
        numbers = itertools.count()

        def opened() -> tuple[LayerFile, TarWriter]:
            layer = self.file(f"{name}-{next(numbers)}.tar.zst")
            return layer, self.writer(layer)

        size = max(self._settings.layer_bytes, expected // _MOST_PARTS)
        layers = SplitLayers(opened, take, size, linked, self._written)
        try:
            for change in changes:
                layers.add(change)
            return layers.finish()
        finally:
            layers.abort()

    def drop(self) -> None:
        """Delete what was written."""
        while self._names:
            self._spool.drop(self._names.pop())
