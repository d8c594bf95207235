"""Walks the upper directory of a container: what its processes added, changed and deleted.

By directory descriptors only: the tree belongs to a user, who may swap a directory for a
link to the host at any moment.
"""

from __future__ import annotations

import enum
import errno
import os
import stat
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from snapshot_agent.exclusions import MOUNT, SPECIAL, Rules, State, hides_whiteouts
from snapshot_agent.tree import overlay
from snapshot_agent.tree.lower import Kind as LowerKind
from snapshot_agent.tree.lower import LowerDirectory, LowerView

# The kernel's clock for timestamps may lag by a tick (10 ms at 100 Hz): what changed so short
# before it was looked at may change again without its time telling.
RACY_NS = 25_000_000

# Gone, or replaced by something of another kind, between two looks.
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)

# A descriptor is open for every directory on the way; deeper trees are reported, not followed.
MAX_DEPTH = 500

# The kernel takes 4,095 bytes, and an image is unpacked below some folder of the node.
LONGEST_PATH = 3840


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
    # The directory that it is in.
    frame: Frame | None = None

    def time(self) -> int:
        """The time that tells whether it changes from now on; -1 when it cannot tell."""
        if (
            not self.settled
            or self.stat is None
            or self.stat.st_ctime_ns > self.seen_at - RACY_NS
        ):
            return -1
        return self.stat.st_ctime_ns


@dataclass(slots=True)
class Row:
    """One name of a directory, as it was when it was captured."""

    name: str
    inode: int
    time: int
    taken: bool


LeaveOut = Callable[[str, str, int], None]
Record = Callable[[str, bool, list[Row]], None]


@dataclass(slots=True)
class Frame:
    """One directory on the way from the root to where the walk is."""

    fd: int
    name: str
    path: str
    state: State
    parent: Frame | None = None
    reason: str | None = None
    # The path that the rule excludes, when this directory is that or below it.
    excluded: str = ""
    depth: int = 0
    opaque: bool = False
    # True when nothing of the image below shows through here.
    hidden: bool = False
    emitted: bool = False
    todo: list[tuple[str, os.stat_result]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    lower: LowerDirectory | None = None
    seen_at: int = 0
    # How many of `todo`, from its start, are not for now.
    later: int = 0

    def join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def close(self) -> None:
        os.close(self.fd)
        if self.lower is not None:
            self.lower.__exit__()


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
        self, frame: Frame, change: Change, marker: bool, record: Record
    ) -> Iterator[Change]:
        """A directory and everything below it, with its marker in any case when `marker`."""
        child = self.enter(frame, change.name, change.stat)
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

    def enter(
        self, frame: Frame, name: str, found: os.stat_result | None
    ) -> Frame | None:
        """The frame of a subdirectory, None when it is no longer the one that was seen."""
        try:
            fd = overlay.open_directory(name, frame.fd)
        except OSError as error:
            if error.errno in _VANISHED:
                return None
            raise
        try:
            opened = os.fstat(fd)
            if found is None or (opened.st_ino, opened.st_dev) != (
                found.st_ino,
                found.st_dev,
            ):
                os.close(fd)
                return None
            opaque = overlay.marks("", fd) == "y"
        except BaseException:
            os.close(fd)
            raise
        state = frame.state.child(name)
        reason = frame.reason or state.reason
        child = Frame(fd, name, frame.join(name), state, frame, reason, frame.excluded)
        child.depth, child.opaque, child.hidden = (
            frame.depth + 1,
            opaque,
            frame.hidden or opaque,
        )
        return child

    def whiteout(self, frame: Frame, name: str) -> Change | None:
        """The change for a deletion, None when there is nothing below that it would hide."""
        if frame.hidden or self._below_of(frame).kind(name) is None:
            return None
        path = frame.join(name)
        return Change(path, Kind.WHITEOUT, name, frame.fd, frame=frame)

    def _below(self, top: Frame, record: Record | None) -> Iterator[Change]:
        stack = [top]
        try:
            yield from self._open(top)
            while stack:
                frame = stack[-1]
                if not frame.todo:
                    if record is not None and frame.reason is None:
                        record(frame.path, frame.opaque, frame.rows)
                    stack.pop().close()
                    continue
                name, found = frame.todo.pop()
                child = yield from self._entry(frame, name, found)
                if child is not None:
                    stack.append(child)
                    yield from self._open(child)
        finally:
            while stack:
                stack.pop().close()

    def _open(self, frame: Frame) -> Iterator[Change]:
        """Read a directory's names; the deletions among them come out at once."""
        frame.seen_at = time.time_ns()
        marked = overlay.marks("", frame.fd) == "x"
        for name, found in sorted(scan(frame.fd), reverse=True):
            deleted = overlay.is_whiteout(found) or (
                marked and overlay.is_marked_whiteout(name, frame.fd, found)
            )
            if not deleted:
                frame.todo.append((name, found))
                continue
            reason = frame.reason or frame.state.child(name).reason
            change = None
            if reason is None or not hides_whiteouts(reason):
                change = self.whiteout(frame, name)
            if change is not None:
                yield change
            frame.rows.append(Row(name, 0, 0, change is not None))

    def _entry(
        self, frame: Frame, name: str, found: os.stat_result
    ) -> Generator[Change, None, Frame | None]:
        """One name that is not a deletion; its frame when it is a directory to go into."""
        path, kind = frame.join(name), kind_of(found)
        reason = frame.reason or frame.state.child(name).reason
        if (
            kind is None
            or name.startswith(overlay.WHITEOUT_PREFIX)
            or frame.depth >= MAX_DEPTH
            or too_long(path)
        ):
            self._leave_out(path, reason or SPECIAL, size_of(found))
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
            return (yield from self._excluded(frame, name, found, reason))
        if kind is Kind.FILE:
            overlay.check_data(name, frame.fd, found)
        child = self.enter(frame, name, found) if kind is Kind.DIRECTORY else None
        if child is None and kind is Kind.DIRECTORY:
            frame.rows.append(Row(name, found.st_ino, -1, False))
            return None
        change = Change(path, kind, name, frame.fd, found, frame.seen_at, frame=frame)
        try:
            yield change
            assert change.stat is not None
            frame.rows.append(
                Row(name, change.stat.st_ino, change.time(), change.taken)
            )
            if child is not None and self._needs_marker(frame, child):
                yield self._marker(child)
        except BaseException:
            if child is not None:
                child.close()
            raise
        return child

    def _excluded(
        self, frame: Frame, name: str, found: os.stat_result, reason: str
    ) -> Generator[Change, None, Frame | None]:
        """An entry that is left out; a directory is looked into for deletions all the same."""
        root = frame.excluded or frame.join(name)
        self._leave_out(root, reason, size_of(found))
        frame.rows.append(Row(name, found.st_ino, found.st_ctime_ns, False))
        if reason == MOUNT or not stat.S_ISDIR(found.st_mode):
            return None
        child = self.enter(frame, name, found)
        if child is None:
            return None
        child.excluded = root
        if not hides_whiteouts(reason) and self._needs_marker(frame, child):
            # The user emptied a directory of the image: it stays empty.
            try:
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
        if not child.opaque or frame.hidden:
            return False
        return self._below_of(frame).kind(child.name) is LowerKind.DIRECTORY

    def _below_of(self, frame: Frame) -> LowerDirectory:
        if frame.lower is None:
            frame.lower = self.lower.directory(frame.path)
        return frame.lower


def directory(frame: Frame) -> Change:
    """A directory that the walk is in, as it is now."""
    assert frame.parent is not None
    change = Change(frame.path, Kind.DIRECTORY, frame.name, frame.parent.fd)
    change.stat, change.seen_at = os.fstat(frame.fd), frame.seen_at
    change.frame = frame.parent
    return change


def too_long(path: str) -> bool:
    """True for what could be saved and pushed, and then be unpacked by no node."""
    # Most paths are short; only the others are looked at closely.
    return len(path) * 4 > LONGEST_PATH and len(os.fsencode(path)) > LONGEST_PATH


def kind_of(found: os.stat_result) -> Kind | None:
    """None for what no layer holds: sockets, and whiteouts, which are no entries."""
    return (
        None if overlay.is_whiteout(found) else _KINDS.get(stat.S_IFMT(found.st_mode))
    )


def size_of(found: os.stat_result) -> int:
    """The bytes of a regular file that are really there: a hole is none."""
    return (
        min(found.st_size, found.st_blocks * 512) if stat.S_ISREG(found.st_mode) else 0
    )


def scan(fd: int) -> list[tuple[str, os.stat_result]]:
    """The names in a directory with what they are; names that vanish meanwhile are left out."""
    found = []
    with os.scandir(fd) as entries:
        for entry in entries:
            try:
                found.append((entry.name, entry.stat(follow_symlinks=False)))
            except FileNotFoundError:
                continue
    return found
