"""What one pass has captured, and what has changed since.

On disk, because a container may have a million entries; in memory is one short record for
each directory.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO, NamedTuple

from snapshot_agent.exclusions import hides_whiteouts
from snapshot_agent.tree import overlay
from snapshot_agent.tree.changes import (
    RACY_NS,
    Change,
    Kind,
    Walker,
    directory,
    kind_of,
)
from snapshot_agent.tree.frame import Entry, Frame, Row
from snapshot_agent.tree.links import Links

_ABSENT = Row("", -1, -1, False)

# Each of them stays open until the rest of a pass is done.
_MOST_HOT = 256

# A directory may have many names, and there is a clock to look at.
_LOOKS_A_TICK = 256


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
    - comparing costs one look at every entry and no read of the index where nothing changed;
    - every whole pass of `changes` brings it up to date: the next one is against that.
    """

    def __init__(self, file: BinaryIO) -> None:
        """`file` is open for reading and writing, and the caller's."""
        self._file = file
        self._end = 0
        self._directories: dict[str, _Kept] = {}
        self._next: dict[str, _Kept] = self._directories
        # Directories that were there and could not be entered: what is known of them stays.
        self._lost: set[str] = set()
        self._hot: set[str] = set()
        self._touched = 0
        # Inodes of which the pass before has taken some names only.
        self._torn: set[int] = set()
        self._links = Links(self._torn)
        self._tick: Callable[[], None] = lambda: None

    @property
    def directories(self) -> int:
        return len(self._directories)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._end

    def may_have_missed(self, since: int) -> bool:
        """True when a name may have left a directory before the last pass looked at it.

        Since that moment, in nanoseconds of the clock: then it may be where the pass had been.
        """
        return bool(self._lost) or self._touched > since - RACY_NS

    def record(self, path: str, opaque: bool, rows: list[Row]) -> None:
        """Keep one directory; the walker's `record`."""
        data = json.dumps(
            [[row.name, row.inode, row.time, row.taken] for row in rows]
        ).encode()
        self._file.seek(self._end)
        self._file.write(data)
        seen = hash(frozenset((row.name, row.inode, row.time) for row in rows))
        self._next[path] = _Kept(self._end, len(data), seen, opaque)
        self._end += len(data)
        if any(row.time == -1 for row in rows):
            self._heat(path)

    def changes(
        self,
        walker: Walker,
        tick: Callable[[], None] = lambda: None,
        adopt: bool = True,
    ) -> Iterator[Change]:
        """What to put on top of the passes so far so that the result is what is there now.

        - a name that was captured and is gone comes out as a whiteout;
        - the parents of whatever comes out come out before it;
        - names of one inode come out together, if need be in the pass after;
        - directories in which the pass before found changes are looked at first, so that these
          are in the freeze when there is no time for all;
        - `tick` is called for every directory, and now and then in a large one;
        - a look that does not `adopt` what it finds finds it again the next time.
        """
        self._tick = tick
        hot, self._hot = self._hot, set()
        self._next, self._lost, self._touched = {}, set(), 0
        self._links = Links(self._torn)
        # Children come before their parents here, whose descriptors they need.
        waiting: list[Frame] = []
        root = walker.root()
        try:
            yield from self._pass(walker, root, hot, waiting, tick)
            while waiting:
                yield from self._pass(walker, waiting.pop(0), None, [], tick)
        finally:
            while waiting:
                waiting.pop(0).close()
        if adopt:
            self._keep_lost()
            self._directories = self._next
            self._torn = self._links.torn()

    def _pass(
        self,
        walker: Walker,
        top: Frame,
        hot: set[str] | None,
        waiting: list[Frame],
        tick: Callable[[], None],
    ) -> Iterator[Change]:
        """Everything below `top`; with `hot` only these, and all of them `waiting` afterwards."""
        stack = [top]
        try:
            if hot is not None:
                yield from self._compare(walker, top)
                _order(top, hot)
            while stack:
                frame = stack[-1]
                if len(frame.todo) <= frame.later:
                    stack.pop()
                    frame.later = 0
                    frame.close() if hot is None else waiting.append(frame)
                    continue
                tick()
                child = yield from self._descend(walker, frame, frame.todo.pop())
                if child is not None:
                    stack.append(child)
                    yield from self._compare(walker, child)
                    if hot is not None:
                        _order(child, hot)
        finally:
            while stack:
                stack.pop().close()

    def _compare(self, walker: Walker, frame: Frame) -> Iterator[Change]:
        """Look at one directory again; what changed in it comes out, directories are left to do."""
        found = frame.scan()
        self._touched = max(self._touched, frame.touched)
        now = frozenset(map(_seen, found))
        known = self._directories[frame.path]
        if hash(now) == known.seen and not self._links.any_torn(found):
            frame.todo = [entry for entry in found if stat.S_ISDIR(entry.stat.st_mode)]
            self._next[frame.path] = known
            return
        self._heat(frame.path)
        old = self._rows(frame.path)
        rows: list[Row] = []
        names = {entry.name for entry in found}
        for row in old.values():
            if row.taken and row.inode and row.name not in names:
                yield from _with_parents(frame, _deletion(frame, row.name))
        marked = frame.marked()
        for number, entry in enumerate(found):
            if not number % _LOOKS_A_TICK:
                self._tick()
            name, found_now = entry
            row = old.get(name, _ABSENT)
            if frame.is_deleted(entry, marked):
                rows.append((yield from self._deleted(walker, frame, name, row)))
                continue
            changed = (row.inode, row.time) != (
                found_now.st_ino,
                found_now.st_ctime_ns,
            )
            if changed:
                frame.changed.add(name)
            if stat.S_ISDIR(found_now.st_mode):
                frame.todo.append(entry)
                rows.append(_directory_row(frame, name, found_now))
            elif changed or self._links.is_torn(found_now):
                rows.append((yield from self._changed(walker, frame, entry, row)))
            else:
                rows.append(row)
        self.record(frame.path, frame.opaque, rows)

    def _deleted(
        self, walker: Walker, frame: Frame, name: str, row: Row
    ) -> Generator[Change, None, Row]:
        if row is not _ABSENT and row.inode == 0:
            return row
        if frame.keeps_image(name):
            return Row(name, 0, 0, False)
        change = _deletion(frame, name) if row.taken else walker.whiteout(frame, name)
        if change is not None:
            yield from _with_parents(frame, change)
        return Row(name, 0, 0, change is not None)

    def _changed(
        self, walker: Walker, frame: Frame, entry: Entry, row: Row
    ) -> Generator[Change, None, Row]:
        name, found = entry
        left_out = Row(name, found.st_ino, found.st_ctime_ns, False)
        kind = kind_of(found)
        if frame.why_not(name) is not None or frame.unfit(name):
            return left_out
        if kind is None:
            # A socket has taken the place of what was captured, or of what the image has.
            row = yield from self._deleted(walker, frame, name, row)
            return row if row.taken else left_out
        if kind is Kind.FILE:
            overlay.check_data(name, frame.fd, found)
        change = Change(frame.join(name), kind, name, frame.fd, found)
        change.seen_at = frame.seen_at
        change.known, change.frame = row.taken, frame
        change.replaces_directory = change.path in self._directories
        yield from _with_parents(frame, change)
        self._links.came_out(change, name in frame.changed)
        # Gone before it could be read: what the layers have of it is still to be deleted.
        taken = change.taken or row.taken
        return Row(name, change.stat.st_ino if change.stat else 0, change.time(), taken)

    def _descend(
        self, walker: Walker, frame: Frame, entry: Entry
    ) -> Generator[Change, None, Frame | None]:
        name = entry.name
        reason = frame.why_not(name)
        if frame.unfit(name):
            return None
        if reason is not None:
            return (yield from self._descend_left_out(walker, frame, entry, reason))
        path = frame.join(name)
        known = self._directories.get(path)
        change = Change(path, Kind.DIRECTORY, name, frame.fd, entry.stat)
        change.seen_at, change.frame = frame.seen_at, frame
        child = frame.enter(entry) if known is not None else None
        if known is not None and child is None:
            self._lost.add(path)
            return None
        if child is None or (known is not None and known.opaque != child.opaque):
            # New, or another directory than the one captured: all of it, hiding the old one.
            if child is not None:
                child.close()
            change.known = known is not None
            yield from _with_parents(frame)
            yield from walker.subtree(
                frame, change, entry, marker=change.known, record=self.record
            )
            if not change.settled:
                self._lost.add(path)
            return None
        if name in frame.changed:
            try:
                yield from _with_parents(frame, change)
            except BaseException:
                child.close()
                raise
            child.emitted = True
        return child

    def _descend_left_out(
        self, walker: Walker, frame: Frame, entry: Entry, reason: str
    ) -> Generator[Change, None, Frame | None]:
        """Of what is left out, deletions are taken all the same, where the image shows through."""
        path = frame.join(entry.name)
        known = self._directories.get(path)
        if known is None:
            news = entry.name in frame.changed and not hides_whiteouts(reason)
            if news and walker.merges(frame, entry.name):
                yield from walker.deletions(frame, entry, reason, self.record)
            return None
        child = frame.enter(entry)
        if child is None:
            self._lost.add(path)
            return None
        if known.opaque == child.opaque:
            child.excluded = frame.excluded or path
            return child
        child.close()
        if not (yield from walker.deletions(frame, entry, reason, self.record)):
            self._lost.add(path)
        return None

    def _heat(self, path: str) -> None:
        """This directory, and with it those on the way to it, comes first in the next pass."""
        if len(self._hot) < _MOST_HOT:
            while path not in self._hot:
                self._hot.add(path)
                path = path.rpartition("/")[0]

    def _keep_lost(self) -> None:
        if not self._lost:
            return
        for path, kept in self._directories.items():
            above = path
            while path not in self._next and above:
                if above in self._lost:
                    self._next[path] = kept
                above = above.rpartition("/")[0]

    def _rows(self, path: str) -> dict[str, Row]:
        kept = self._directories[path]
        self._file.seek(kept.offset)
        return {row[0]: Row(*row) for row in json.loads(self._file.read(kept.length))}


def _order(frame: Frame, hot: set[str]) -> None:
    """The hot ones last in `todo`, where the next is taken from; how many are for later."""
    first = [one for one in frame.todo if frame.join(one.name) in hot]
    rest = [one for one in frame.todo if frame.join(one.name) not in hot]
    frame.todo, frame.later = rest + first, len(rest)


def _directory_row(frame: Frame, name: str, found: os.stat_result) -> Row:
    settled = found.st_ctime_ns <= frame.seen_at - RACY_NS
    time_of = found.st_ctime_ns if settled else -1
    taken = frame.why_not(name) is None and not frame.unfit(name)
    return Row(name, found.st_ino, time_of, taken)


def _seen(entry: Entry) -> tuple[str, int, int]:
    name, found = entry
    # All whiteouts are links to one inode, whose time moves with every new one.
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
        return name, 0, 0
    return name, found.st_ino, found.st_ctime_ns


def _deletion(frame: Frame, name: str) -> Change:
    """The end of something that the layers of this desktop have."""
    change = Change(frame.join(name), Kind.WHITEOUT, name, frame.fd, known=True)
    change.frame = frame
    return change


def _with_parents(frame: Frame, change: Change | None = None) -> Iterator[Change]:
    """The directories down to `frame` that have not come out yet, then the change."""
    chain = []
    at: Frame | None = frame
    while at is not None and not at.emitted:
        # Of what is left out no directory is written, only deletions below it.
        if at.reason is None:
            chain.append(at)
        at = at.parent
    for one in reversed(chain):
        one.emitted = True
        yield directory(one)
    if change is not None:
        yield change
