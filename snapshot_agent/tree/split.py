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
    - names that may share an inode are all in one layer, one of the last: a hard link cannot
      lead from one layer into another;
    - nothing is written when nothing came.
    """

    def __init__(
        self,
        opened: Callable[[], Opened],
        take: Callable[[TarWriter, Change], None],
        size: int,
        linked: int = 1,
        written: Callable[[Blob], None] = lambda blob: None,
    ) -> None:
        """`opened` begins a layer, `take` writes one change; a layer of `size` bytes is full.

        `linked` is how many layers there may be of names that may share an inode; `written` is
        told each layer that is finished.
        """
        self._opened = opened
        self._take = take
        self._size = size
        self._written = written
        self._plain: _Part | None = None
        self._most_linked = linked
        self._linked: dict[int, _Part] = {}
        self._done: list[tuple[Blob, int]] = []

    def add(self, change: Change) -> None:
        inode = _shared_inode(change)
        if inode is None:
            part = self._plain = self._room(change)
        else:
            which = inode % self._most_linked
            if which not in self._linked:
                self._linked[which] = _Part(*self._opened())
            part = self._linked[which]
        for parent in _parents(change.frame, part.writer.directories):
            self._take(part.writer, parent)
        self._take(part.writer, change)

    def finish(self) -> list[tuple[Blob, int]]:
        """The layers, the lowest first, each with the bytes of files in it."""
        for part in self._open():
            self._close(part)
        self._forget()
        return self._done

    def abort(self) -> None:
        """End without a result; after `finish` it does nothing."""
        for part in self._open():
            part.layer.abort()
        self._forget()

    def _open(self) -> list[_Part]:
        plain = [] if self._plain is None else [self._plain]
        return [*plain, *self._linked.values()]

    def _forget(self) -> None:
        self._plain = None
        self._linked.clear()

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
            self._written(blob)


def _shared_inode(change: Change) -> int | None:
    """The inode that other names may have too; None when it has this one only."""
    if change.stat is None or change.kind not in (Kind.FILE, Kind.LINK):
        return None
    return change.stat.st_ino if change.stat.st_nlink > 1 else None


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
