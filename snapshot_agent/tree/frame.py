"""One directory on the way of a walk, and the names in it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from snapshot_agent.exclusions import State, hides_whiteouts
from snapshot_agent.tree import overlay

# A descriptor is open for every directory on the way; deeper trees are reported, not followed.
MAX_DEPTH = 500

# The kernel takes 4,095 bytes, and an image is unpacked below some folder of the node.
LONGEST_PATH = 3840

# A name costs a kilobyte while its directory is looked at, and the agent is to stay small.
MOST_NAMES = 200_000

# Gone, or replaced by something of another kind, between two looks.
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class TooManyNames(Exception):
    """A directory holds more names than can be looked at at once; its path is the message."""


class Entry(NamedTuple):
    """One name in a directory, as it was when that was looked at."""

    name: str
    stat: os.stat_result


@dataclass(slots=True)
class Row:
    """One name of a directory, as it was when it was captured."""

    name: str
    inode: int
    time: int
    taken: bool


@dataclass(slots=True)
class Frame:
    """One directory of the tree that is walked."""

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
    # False for what is left out and not in the image below: nothing there has to be remembered.
    indexed: bool = True
    emitted: bool = False
    todo: list[Entry] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    seen_at: int = 0
    # When a name last came, or left, before the end of the look.
    touched: int = 0
    # How many of `todo`, from its start, are not for now.
    later: int = 0

    def join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def why_not(self, name: str) -> str | None:
        """The reason for which a name in here is left out."""
        return self.reason or self.state.child(name).reason

    def keeps_image(self, name: str) -> bool:
        """True where not even a deletion is taken."""
        reason = self.why_not(name)
        return reason is not None and hides_whiteouts(reason)

    def unfit(self, name: str) -> bool:
        """True for a name that no image can hold, whatever it is."""
        return (
            name.startswith(overlay.WHITEOUT_PREFIX)
            or self.depth >= MAX_DEPTH
            or too_long(self.join(name))
        )

    def names(self) -> Iterator[Entry]:
        """What is in it, one by one; what vanishes meanwhile is skipped."""
        with os.scandir(self.fd) as entries:
            for one in entries:
                try:
                    status = one.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield Entry(one.name, status)

    def scan(self) -> list[Entry]:
        """All of them; TooManyNames when they are more than memory is for."""
        self.seen_at = time.time_ns()
        found = list(islice(self.names(), MOST_NAMES + 1))
        if len(found) > MOST_NAMES:
            raise TooManyNames(self.path)
        self.touched = os.fstat(self.fd).st_ctime_ns
        return found

    def marked(self) -> bool:
        """True when whiteouts made in user space are meant here."""
        return overlay.marks("", self.fd) == "x"

    def enter(self, entry: Entry) -> Frame | None:
        """The frame of a subdirectory, None when it is no longer the one that was seen."""
        try:
            fd = overlay.open_directory(entry.name, self.fd)
        except OSError as error:
            if error.errno in _VANISHED:
                return None
            raise
        try:
            same = overlay.same_inode(os.fstat(fd), entry.stat)
            opaque = same and overlay.marks("", fd) == "y"
        except BaseException:
            os.close(fd)
            raise
        if not same:
            os.close(fd)
            return None
        state = self.state.child(entry.name)
        child = Frame(fd, entry.name, self.join(entry.name), state, self)
        child.reason, child.excluded = self.reason or state.reason, self.excluded
        child.depth, child.opaque = self.depth + 1, opaque
        child.hidden = self.hidden or opaque
        return child

    def is_deleted(self, entry: Entry, marked: bool) -> bool:
        """True when the name stands for its deletion."""
        if overlay.is_whiteout(entry.stat):
            return True
        return marked and overlay.is_marked_whiteout(entry.name, self.fd, entry.stat)


def too_long(path: str) -> bool:
    """True for what could be saved and pushed, and then be unpacked by no node."""
    # Most paths are short; only the others are looked at closely.
    return len(path) * 4 > LONGEST_PATH and len(os.fsencode(path)) > LONGEST_PATH
