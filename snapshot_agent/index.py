"""What one pass has captured, and what has changed since.

On disk, because a container may have a million entries; in memory is one short record for
each directory.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Generator, Iterator
from typing import BinaryIO, NamedTuple

from . import overlay
from .changes import (
    MAX_DEPTH,
    Change,
    Frame,
    Kind,
    Row,
    Walker,
    kind_of,
    scan,
    too_long,
)
from .exclusions import hides_whiteouts

_ABSENT = Row("", -1, -1, False)


class _Kept(NamedTuple):
    """Where the rows of a directory are, and the hash of what a later look should see."""

    offset: int
    length: int
    seen: int
    opaque: bool


class Index:
    """Remembers every directory of a pass by its names, inodes and change times.

    - a change of content, of metadata or of place changes one of these, unless it came in the
      same tick of the clock as the look, and then the time in the index matches nothing;
    - comparing costs one look at every entry and no read of the index where nothing changed.
    """

    def __init__(self, file: BinaryIO) -> None:
        """`file` is open for reading and writing, and the caller's."""
        self._file = file
        self._end = 0
        self._directories: dict[str, _Kept] = {}

    def record(self, path: str, opaque: bool, rows: list[Row]) -> None:
        """Keep one directory; the walker's `record`."""
        data = json.dumps(
            [[row.name, row.inode, row.time, row.taken] for row in rows]
        ).encode()
        self._file.seek(self._end)
        self._file.write(data)
        seen = hash(frozenset((row.name, row.inode, row.time) for row in rows))
        self._directories[path] = _Kept(self._end, len(data), seen, opaque)
        self._end += len(data)

    def changes(self, walker: Walker) -> Iterator[Change]:
        """What to put on top of the pass so that the result is what is there now.

        - a name that was captured and is gone comes out as a whiteout;
        - the parents of whatever comes out come out before it.
        """
        stack = [walker.root()]
        try:
            yield from self._compare(walker, stack[0])
            while stack:
                frame = stack[-1]
                if not frame.todo:
                    stack.pop().close()
                    continue
                name, found = frame.todo.pop()
                child = yield from self._descend(walker, frame, name, found)
                if child is not None:
                    stack.append(child)
                    yield from self._compare(walker, child)
        finally:
            while stack:
                stack.pop().close()

    def _compare(self, walker: Walker, frame: Frame) -> Iterator[Change]:
        """Look at one directory again; what changed in it comes out, directories are left to do."""
        frame.seen_at = time.time_ns()
        found = scan(frame.fd)
        now = frozenset(map(_seen, found))
        if hash(now) == self._directories[frame.path].seen:
            frame.todo = [(name, st) for name, st in found if stat.S_ISDIR(st.st_mode)]
            return
        old = self._rows(frame.path)
        names = {name for name, _ in found}
        for row in old.values():
            if row.taken and row.inode and row.name not in names:
                yield from _with_parents(frame, _deletion(frame, row.name))
        marked = overlay.marks("", frame.fd) == "x"
        for name, st in found:
            row = old.get(name, _ABSENT)
            if overlay.is_whiteout(st) or (
                marked and overlay.is_marked_whiteout(name, frame.fd, st)
            ):
                yield from self._deleted(walker, frame, name, row)
                continue
            changed = (row.inode, row.time) != (st.st_ino, st.st_ctime_ns)
            if changed:
                frame.changed.add(name)
            if stat.S_ISDIR(st.st_mode):
                frame.todo.append((name, st))
            elif changed:
                yield from self._changed(walker, frame, name, st, row)

    def _deleted(
        self, walker: Walker, frame: Frame, name: str, row: Row
    ) -> Iterator[Change]:
        reason = frame.state.child(name).reason
        was_known = row is not _ABSENT and row.inode == 0
        if was_known or (reason is not None and hides_whiteouts(reason)):
            return
        change = _deletion(frame, name) if row.taken else walker.whiteout(frame, name)
        if change is not None:
            yield from _with_parents(frame, change)

    def _changed(
        self,
        walker: Walker,
        frame: Frame,
        name: str,
        found: os.stat_result,
        row: Row,
    ) -> Iterator[Change]:
        if frame.state.child(name).reason is not None:
            return
        kind = kind_of(found)
        if frame.depth >= MAX_DEPTH or too_long(frame.join(name)):
            return
        if kind is None or name.startswith(overlay.WHITEOUT_PREFIX):
            # A socket has taken the place of what was captured, or of what the image has.
            if row.inode != 0:
                yield from self._deleted(walker, frame, name, row)
            return
        if kind is Kind.FILE:
            overlay.check_data(name, frame.fd, found)
        change = Change(frame.join(name), kind, name, frame.fd, found, frame.seen_at)
        yield from _with_parents(frame, change)

    def _descend(
        self, walker: Walker, frame: Frame, name: str, found: os.stat_result
    ) -> Generator[Change, None, Frame | None]:
        if frame.state.child(name).reason is not None or frame.depth >= MAX_DEPTH:
            return None
        if name.startswith(overlay.WHITEOUT_PREFIX) or too_long(frame.join(name)):
            return None
        known = self._directories.get(frame.join(name))
        changed = name in frame.changed
        change = Change(
            frame.join(name), Kind.DIRECTORY, name, frame.fd, found, frame.seen_at
        )
        child = walker.enter(frame, name, found) if known is not None else None
        if known is not None and child is None:
            return None
        if child is None or (known is not None and known.opaque != child.opaque):
            # New, or another directory than the one captured: all of it, hiding the old one.
            if child is not None:
                child.close()
            yield from _with_parents(frame)
            yield from walker.subtree(frame, change, marker=known is not None)
            return None
        if changed:
            try:
                yield from _with_parents(frame, change)
            except BaseException:
                child.close()
                raise
            child.emitted = True
        return child

    def _rows(self, path: str) -> dict[str, Row]:
        kept = self._directories[path]
        self._file.seek(kept.offset)
        return {row[0]: Row(*row) for row in json.loads(self._file.read(kept.length))}


def _seen(entry: tuple[str, os.stat_result]) -> tuple[str, int, int]:
    name, found = entry
    # All whiteouts are links to one inode, whose time moves with every new one.
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
        return name, 0, 0
    return name, found.st_ino, found.st_ctime_ns


def _deletion(frame: Frame, name: str) -> Change:
    return Change(frame.join(name), Kind.WHITEOUT, name, frame.fd)


def _with_parents(frame: Frame, change: Change | None = None) -> Iterator[Change]:
    """The directories down to `frame` that have not come out yet, then the change."""
    chain = []
    at: Frame | None = frame
    while at is not None and not at.emitted:
        chain.append(at)
        at = at.parent
    for one in reversed(chain):
        assert one.parent is not None
        one.emitted = True
        found = os.fstat(one.fd)
        yield Change(
            one.path, Kind.DIRECTORY, one.name, one.parent.fd, found, one.seen_at
        )
    if change is not None:
        yield change
