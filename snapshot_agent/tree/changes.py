"""Walks the upper directory of a container: what its processes added, changed and deleted.

By directory descriptors only: the tree belongs to a user, who may swap a directory for a
link to the host at any moment.
"""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from snapshot_agent.exclusions import MOUNT, SPECIAL, Rules, hides_whiteouts
from snapshot_agent.tree import overlay
from snapshot_agent.tree.frame import MOST_NAMES, Entry, Frame, Row, TooManyNames
from snapshot_agent.tree.lower import Kind as LowerKind
from snapshot_agent.tree.lower import LowerView

# The kernel's clock for timestamps may lag by a tick (10 ms at 100 Hz): what changed so short
# before it was looked at may change again without its time telling.
RACY_NS = 25_000_000


class Kind(enum.Enum):
    """What a change becomes in a layer."""

    DIRECTORY = "directory"
    FILE = "file"
    LINK = "link"
    FIFO = "fifo"
    DEVICE = "device"
    WHITEOUT = "whiteout"
    OPAQUE = "opaque"


_KINDS = {
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFCHR: Kind.DEVICE,
    stat.S_IFBLK: Kind.DEVICE,
}


class Folder(Protocol):
    """A directory on the way to a change."""

    @property
    def path(self) -> str: ...

    @property
    def fd(self) -> int: ...

    @property
    def parent(self) -> Folder | None: ...

    @property
    def reason(self) -> str | None:
        """Why it is left out, None when it is not."""

    @property
    def hidden(self) -> bool:
        """True when nothing of the image below shows through there."""

    @property
    def seen_at(self) -> int: ...


@dataclass(slots=True)
class Change:
    """One change, valid until the next one is asked for.

    Who takes it may put in a newer `stat`, and sets `taken` or `settled` to False when it was
    left out, or changed while it was taken.
    """

    path: str
    kind: Kind
    name: str
    dir_fd: int
    stat: os.stat_result | None = None
    seen_at: int = 0
    taken: bool = True
    settled: bool = True
    # True when the layers so far hold something at this path.
    known: bool = False
    # True when these have a directory there, and this is none.
    replaces_directory: bool = False
    # The directory that it is in.
    frame: Folder | None = None

    def time(self) -> int:
        """The time that tells whether it changes from now on; -1 when it cannot tell."""
        if (
            not self.settled
            or self.stat is None
            or self.stat.st_ctime_ns > self.seen_at - RACY_NS
        ):
            return -1
        return self.stat.st_ctime_ns


LeaveOut = Callable[[str, str, int], None]
Record = Callable[[str, bool, list[Row]], None]


class Walker:
    """Yields the changes below one upper directory, parents first, in one fixed order.

    - whiteouts come before their siblings, and only for what the image below really shows;
    - a directory that hides what is below it is followed by one opaque marker, which, unlike
      whiteouts, needs no list of what is hidden and stays right when layers are stacked;
    - what the rules exclude is reported and not yielded, except deletions (see exclusions);
    - an entry that vanishes meanwhile is skipped, and its row says that it is not settled.
    """

    def __init__(
        self, upper: str, lower: LowerView, rules: Rules, leave_out: LeaveOut
    ) -> None:
        self.lower = lower
        self.rules = rules
        self._upper = upper
        self._leave_out = leave_out

    def root(self) -> Frame:
        fd = os.open(self._upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return Frame(fd, "", "", self.rules.start, emitted=True)

    def walk(self, record: Record | None = None) -> Iterator[Change]:
        """Everything; `record` is told every directory when its last entry is done."""
        root = self.root()
        yield from self._below(root, record)

    def subtree(
        self, frame: Frame, change: Change, entry: Entry, marker: bool, record: Record
    ) -> Iterator[Change]:
        """A directory and everything below it, with its marker in any case when `marker`."""
        child = frame.enter(entry)
        if child is None:
            change.settled = False
            return
        try:
            yield change
            if marker or self._needs_marker(frame, child):
                child.hidden = True
                yield self._marker(child, marker)
        except BaseException:
            child.close()
            raise
        yield from self._below(child, record)

    def deletions(
        self, frame: Frame, entry: Entry, reason: str, record: Record
    ) -> Generator[Change, None, bool]:
        """Those below a directory that is left out; False when it is gone."""
        child = yield from self._left_out(frame, entry, reason)
        if child is not None:
            yield from self._below(child, record)
        return child is not None

    def whiteout(self, frame: Frame, name: str) -> Change | None:
        """The change for a deletion, None when there is nothing below that it would hide."""
        path = frame.join(name)
        if frame.hidden or self.lower.kind(path) is None:
            return None
        return Change(path, Kind.WHITEOUT, name, frame.fd, frame=frame)

    def merges(self, frame: Frame, name: str) -> bool:
        """True when a directory of that name would show what the image has in it."""
        if frame.hidden:
            return False
        return self.lower.kind(frame.join(name)) is LowerKind.DIRECTORY

    def _below(self, top: Frame, record: Record | None) -> Iterator[Change]:
        stack = [top]
        try:
            yield from self._open(top)
            while stack:
                frame = stack[-1]
                if not frame.todo:
                    if record is not None and frame.indexed:
                        record(frame.path, frame.opaque, frame.rows)
                    stack.pop().close()
                    continue
                entry = frame.todo.pop()
                change = self._plain(frame, entry)
                if change is not None:
                    # By far the most, so with little for each of them.
                    yield change
                    if record is not None:
                        frame.rows.append(_row(change))
                    continue
                child = yield from self._entry(frame, entry)
                if child is not None:
                    stack.append(child)
                    yield from self._open(child)
        finally:
            while stack:
                stack.pop().close()

    def _open(self, frame: Frame) -> Iterator[Change]:
        """Read a directory's names; the deletions among them come out at once."""
        if frame.excluded and not frame.indexed:
            self._pass_over(frame)
            return
        found = sorted(frame.scan(), reverse=True)
        marked = frame.marked()
        for entry in found:
            if not frame.is_deleted(entry, marked):
                frame.todo.append(entry)
                continue
            change = None
            if not frame.keeps_image(entry.name):
                change = self.whiteout(frame, entry.name)
            if change is not None:
                yield change
            frame.rows.append(Row(entry.name, 0, 0, change is not None))

    def _pass_over(self, frame: Frame) -> None:
        """Tell the bytes of what is left out and in no image, however many names there are."""
        for entry in frame.names():
            if stat.S_ISDIR(entry.stat.st_mode):
                frame.todo.append(entry)
            else:
                reason = frame.reason or SPECIAL
                self._leave_out(frame.excluded, reason, size_of(entry.stat))
            if len(frame.todo) > MOST_NAMES:
                raise TooManyNames(frame.path)

    def _plain(self, frame: Frame, entry: Entry) -> Change | None:
        """The change that one name is, if it is nothing but that: no directory, not left out."""
        name, found = entry
        kind = kind_of(found)
        if kind is None or kind is Kind.DIRECTORY or frame.why_not(name) is not None:
            return None
        if frame.unfit(name):
            return None
        if kind is Kind.FILE:
            overlay.check_data(name, frame.fd, found)
        path = frame.join(name)
        return Change(path, kind, name, frame.fd, found, frame.seen_at, frame=frame)

    def _entry(
        self, frame: Frame, entry: Entry
    ) -> Generator[Change, None, Frame | None]:
        """Any other that is not a deletion; its frame when it is a directory to go into."""
        name, found = entry.name, entry.stat
        kind, reason = kind_of(found), frame.why_not(name)
        if kind is None or frame.unfit(name):
            self._leave_out(frame.join(name), reason or SPECIAL, size_of(found))
            hides = kind is None and reason is None
            deleted = self.whiteout(frame, name) if hides else None
            if deleted is None:
                frame.rows.append(Row(name, found.st_ino, found.st_ctime_ns, False))
            else:
                # A socket in the place of what the image has: without it that would come back.
                yield deleted
                frame.rows.append(Row(name, 0, 0, True))
            return None
        if reason is not None:
            frame.rows.append(Row(name, found.st_ino, found.st_ctime_ns, False))
            return (yield from self._left_out(frame, entry, reason))
        return (yield from self._directory(frame, entry))

    def _directory(
        self, frame: Frame, entry: Entry
    ) -> Generator[Change, None, Frame | None]:
        name, found = entry
        child = frame.enter(entry)
        if child is None:
            frame.rows.append(Row(name, found.st_ino, -1, False))
            return None
        path, kind = frame.join(name), Kind.DIRECTORY
        change = Change(path, kind, name, frame.fd, found, frame.seen_at, frame=frame)
        try:
            yield change
            frame.rows.append(_row(change))
            if self._needs_marker(frame, child):
                yield self._marker(child)
        except BaseException:
            child.close()
            raise
        return child

    def _left_out(
        self, frame: Frame, entry: Entry, reason: str
    ) -> Generator[Change, None, Frame | None]:
        """An entry that is left out; a directory is looked into for deletions all the same."""
        name, found = entry
        root = frame.excluded or frame.join(name)
        self._leave_out(root, reason, size_of(found))
        if reason == MOUNT or not stat.S_ISDIR(found.st_mode):
            return None
        child = frame.enter(entry)
        if child is None:
            return None
        child.excluded = root
        try:
            child.indexed = not hides_whiteouts(reason) and self.merges(frame, name)
            if child.indexed and child.opaque:
                # The user emptied a directory of the image: it stays empty.
                yield directory(child)
                yield self._marker(child)
        except BaseException:
            child.close()
            raise
        return child

    def _marker(self, child: Frame, known: bool = False) -> Change:
        path = child.join(overlay.OPAQUE_MARKER)
        return Change(path, Kind.OPAQUE, "", child.fd, known=known, frame=child)

    def _needs_marker(self, frame: Frame, child: Frame) -> bool:
        return child.opaque and self.merges(frame, child.name)


def _row(change: Change) -> Row:
    assert change.stat is not None
    return Row(change.name, change.stat.st_ino, change.time(), change.taken)


def directory(frame: Folder) -> Change:
    """A directory that the walk is in, as it is now."""
    assert frame.parent is not None
    # By its own descriptor: its name may lead elsewhere by now.
    change = Change(frame.path, Kind.DIRECTORY, "", frame.fd)
    change.stat, change.seen_at = os.fstat(frame.fd), frame.seen_at
    change.frame = frame.parent
    return change


def kind_of(found: os.stat_result) -> Kind | None:
    """None for what no layer holds: sockets, and whiteouts, which are no entries."""
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    return None if kind is Kind.DEVICE and overlay.is_whiteout(found) else kind


def size_of(found: os.stat_result) -> int:
    """The bytes of a regular file that are really there: a hole is none."""
    return (
        min(found.st_size, found.st_blocks * 512) if stat.S_ISREG(found.st_mode) else 0
    )
