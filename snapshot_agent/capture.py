"""Reads a desktop into layers: all while it runs, then, while it stands still, what changed since.

All of it runs in one thread, and nothing of it knows the network.
"""

from __future__ import annotations

import gc
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .changes import Change, Walker
from .container import Desktop, check_still_there
from .containerd import Containerd
from .errors import SAFE, SecretFound
from .exclusions import TABLE, Rules, Table, printable, volumes
from .freeze import Freezer, Hold
from .home_defaults import HomeDefaults
from .index import Index
from .layer import SecretInStream, Sink, TarWriter
from .lower import LowerView
from .spool import Blob, LayerFile, RawFile, Spool
from .status import Status, Step
from .survey import LeftOut

log = logging.getLogger(__name__)

# Each one is a file of its own with a secret deep inside: so many are no accident.
_MOST_RESTARTS = 5
_MOST_NAMED = 100


@dataclass(frozen=True)
class CaptureSettings:
    """What an administrator decides about the reading."""

    freeze: bool = True
    freeze_deadline: float = 10.0
    zstd_level: int = 3
    zstd_threads: int = 0
    largest_file: int = 64 << 30
    home_defaults: str = "home_nbuser_default"
    table: Table = TABLE


@dataclass(frozen=True)
class Captured:
    """What a desktop has given."""

    blobs: list[Blob]
    """The layers, the lowest first; none when nothing has changed."""
    left_out: LeftOut
    content_bytes: int
    frozen: float
    """Seconds from the pause to the thaw, nothing before or after."""
    changed_while_saved: list[str] = field(default_factory=list)


class Capture:
    """One reading of one desktop.

    - whatever happens, the desktop runs again when `run` returns;
    - memory does not depend on how much is read.
    """

    def __init__(
        self,
        desktop: Desktop,
        rules: Rules,
        *,
        containerd: Containerd,
        freezer: Freezer,
        settings: CaptureSettings,
        canaries: tuple[bytes, ...],
        expected: int,
        check: Callable[[], None],
    ) -> None:
        """`expected` bytes are to be read; `check` raises Cancelled when it is to stop."""
        self._desktop = desktop
        self._rules = rules
        self._containerd = containerd
        self._freezer = freezer
        self._settings = settings
        self._canaries = canaries
        self._expected = expected
        self._check = check
        self._denied: set[tuple[int, int]] = set()
        self._left_out = LeftOut()
        self._changed_while_saved: list[str] = []
        self._hold = Hold()
        self._defaults: HomeDefaults | None = None
        self._content_bytes = 0

    def run(self, spool: Spool, status: Status) -> Captured:
        """Read it; SecretFound when secrets are in too many large files."""
        for _ in range(_MOST_RESTARTS):
            try:
                return self._once(spool, status)
            except SecretInStream as found:
                log.warning(
                    "a secret deep in a file, again without it container=%s",
                    self._desktop.container_id,
                )
                self._denied.add(found.identity)
                path = found.path
        raise SecretFound(
            "The desktop's own access keys are in several large files, so it was not saved. "
            f"{SAFE} Delete {printable(path)} and save again.",
            path=printable(path),
        )

    def _once(self, spool: Spool, status: Status) -> Captured:
        self._left_out = LeftOut(volumes(self._desktop.mounts))
        self._changed_while_saved = []
        with (
            LowerView(list(self._desktop.lowers)) as lower,
            io.BufferedRandom(spool.open("index")) as file,
        ):
            walker = Walker(self._desktop.upper, lower, self._rules, self._left_out)
            self._defaults = HomeDefaults(
                self._rules.home,
                self._settings.home_defaults,
                lambda path: lower.kind(path) is not None,
            )
            root = walker.root()
            try:
                index = Index(file)
                first = self._read(spool, status, walker, index)
                second = self._freeze(spool, status, walker, index, root.fd)
            finally:
                root.close()
        return Captured(
            [blob for blob in (first, second) if blob is not None],
            self._left_out,
            self._content_bytes,
            self._hold.seconds,
            self._changed_while_saved,
        )

    def _read(
        self, spool: Spool, status: Status, walker: Walker, index: Index
    ) -> Blob | None:
        """Everything, while the desktop runs; the index says what of it may be stale."""
        step = status.begin("read", self._expected)
        layer = self._layer(spool, "first")
        try:
            writer = self._writer(layer, step, live=True)
            for change in walker.walk(index.record):
                self._check()
                self._take(writer, change)
            writer.finish()
        except BaseException:
            layer.abort()
            raise
        self._content_bytes = writer.content_bytes
        blob = layer.close()
        return blob if writer.entries else None

    def _freeze(
        self, spool: Spool, status: Status, walker: Walker, index: Index, root_fd: int
    ) -> Blob | None:
        """What has changed since, copied as it is while the desktop stands still."""
        step = status.begin("freeze")
        raw = RawFile(spool.open("second.tar"))
        try:
            with self._held():
                writer = self._writer(raw, step, live=not self._hold.still)
                for change in index.changes(walker):
                    self._check()
                    self._take(writer, change)
                    self._note_unsteady(change)
                check_still_there(self._containerd, self._desktop, root_fd)
            writer.finish()
        finally:
            raw.close()
        if not writer.entries:
            return None
        self._content_bytes += writer.content_bytes
        blob = raw.compress(self._layer(spool, "second"), self._check)
        spool.drop("second.tar")
        return blob

    def _take(self, writer: TarWriter, change: Change) -> None:
        writer.add(change)
        again = self._defaults.place(change) if self._defaults else None
        if again is not None:
            writer.add_again(change, again)

    @contextmanager
    def _held(self) -> Iterator[None]:
        settings = self._settings
        if not settings.freeze:
            self._hold = Hold()
            yield
            return
        freezing = self._freezer.freeze(
            self._desktop.container_id, settings.freeze_deadline
        )
        # A collection of garbage may take as long as the whole freeze: before it, not in it.
        gc.collect()
        gc.disable()
        try:
            with freezing as self._hold:
                yield
        finally:
            gc.enable()

    def _note_unsteady(self, change: Change) -> None:
        if not self._hold.still and len(self._changed_while_saved) < _MOST_NAMED:
            if change.time() == -1 and change.stat is not None:
                self._changed_while_saved.append(printable(change.path))

    def _layer(self, spool: Spool, name: str) -> LayerFile:
        settings = self._settings
        file = spool.open(f"{name}.tar.zst")
        return LayerFile(file, settings.zstd_level, settings.zstd_threads)

    def _writer(self, sink: Sink, step: Step, live: bool) -> TarWriter:
        def progress(count: int) -> None:
            # Here too: one file may be larger than everything else together.
            self._check()
            step.add(count)

        return TarWriter(
            sink,
            canaries=self._canaries,
            denied=self._denied,
            leave_out=self._left_out,
            largest_file=self._settings.largest_file,
            progress=progress,
            live=live,
        )
