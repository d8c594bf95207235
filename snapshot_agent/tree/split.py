"""One pass as several layers, so that they can be sent, fetched and checked side by side."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

from snapshot_agent.tree.changes import Change, Folder, Kind, directory
from snapshot_agent.tree.layer import TarWriter
from snapshot_agent.tree.spool import Blob, LayerFile

Opened = tuple[LayerFile, TarWriter]


@dataclass
class _Part:
    """A layer that is being written."""

    layer: LayerFile
    writer: TarWriter


class SplitLayers:
    """Takes the changes of a pass in their order; a new layer begins where one is full.

    - each layer has the directories on the way to what is in it: who unpacks only that one
      finds them as they are;
    - names that may share an inode are all in one layer, the last: a hard link cannot lead
      from one layer into another;
    - nothing is written when nothing came.
    """

    def __init__(
        self,
        opened: Callable[[], Opened],
        take: Callable[[TarWriter, Change], None],
        size: int,
    ) -> None:
        """`opened` begins a layer, `take` writes one change; a layer of `size` bytes is full."""
        self._opened = opened
        self._take = take
        self._size = size
        self._plain: _Part | None = None
        self._linked: _Part | None = None
        self._done: list[tuple[Blob, int]] = []

    def add(self, change: Change) -> None:
        if _may_be_linked(change):
            part = self._linked = self._linked or _Part(*self._opened())
        else:
            part = self._plain = self._room(change)
        for parent in _parents(change.frame, part.writer.directories):
            self._take(part.writer, parent)
        self._take(part.writer, change)

    def finish(self) -> list[tuple[Blob, int]]:
        """The layers, the lowest first, each with the bytes of files in it."""
        for part in (self._plain, self._linked):
            if part is not None:
                self._close(part)
        self._plain = self._linked = None
        return self._done

    def abort(self) -> None:
        """End without a result; after `finish` it does nothing."""
        for part in (self._plain, self._linked):
            if part is not None:
                part.layer.abort()
        self._plain = self._linked = None

    def _room(self, change: Change) -> _Part:
        part = self._plain
        # A marker belongs to its directory, which has just been written.
        full = part is not None and part.writer.content_bytes >= self._size
        if part is not None and full and change.kind is not Kind.OPAQUE:
            self._close(part)
            self._plain = part = None
        return part or _Part(*self._opened())

    def _close(self, part: _Part) -> None:
        part.writer.finish()
        blob = part.layer.close()
        if part.writer.entries:
            self._done.append((blob, part.writer.content_bytes))


def _may_be_linked(change: Change) -> bool:
    if change.stat is None or change.kind not in (Kind.FILE, Kind.LINK):
        return False
    return change.stat.st_nlink > 1


def _parents(frame: Folder | None, known: Container[str]) -> Iterator[Change]:
    """The directories down to `frame` that are not `known`, the highest first."""
    chain: list[Folder] = []
    while frame is not None and frame.parent is not None and frame.path not in known:
        # Of what is left out no directory is written either, only deletions below it.
        if frame.reason is None:
            chain.append(frame)
        frame = frame.parent
    for one in reversed(chain):
        yield directory(one)
