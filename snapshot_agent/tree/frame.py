"""One directory on the way of a walk: the layers that make it up, and the names in it."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from snapshot_agent.exclusions import State, hides_whiteouts
from snapshot_agent.tree import overlay
from snapshot_agent.tree.lower import LowerDirectory

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
    """One name, as the uppermost layer has it that has it, and that layer's directory."""

    name: str
    stat: os.stat_result
    dir_fd: int


@dataclass(slots=True)
class Row:
    """One name of a directory, as it was when it was captured."""

    name: str
    inode: int
    time: int
    taken: bool


@dataclass(slots=True)
class Frame:
    """One directory; `fds` are those of the layers that are read, the uppermost first."""

    fds: list[int]
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
    lower: LowerDirectory | None = None
    seen_at: int = 0
    # How many of `todo`, from its start, are not for now.
    later: int = 0

    @property
    def fd(self) -> int:
        """The uppermost layer's directory: what the kernel shows of the directory itself."""
        return self.fds[0]

    def join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def close(self) -> None:
        while self.fds:
            os.close(self.fds.pop())
        if self.lower is not None:
            self.lower.__exit__()

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

    def scan(self) -> list[Entry]:
        """The names in it; those that vanish meanwhile are left out."""
        self.seen_at = time.time_ns()
        found: list[Entry] = []
        known: set[str] = set()
        for fd in self.fds:
            known.update(entry.name for entry in found[len(known) :])
            with os.scandir(fd) as entries:
                for one in entries:
                    if one.name in known:
                        continue
                    try:
                        status = one.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    found.append(Entry(one.name, status, fd))
                    if len(found) > MOST_NAMES:
                        raise TooManyNames(self.path)
        return found

    def marked(self) -> set[int]:
        """The layers in which whiteouts made in user space are meant here."""
        return {fd for fd in self.fds if overlay.marks("", fd) == "x"}

    def enter(self, entry: Entry) -> Frame | None:
        """The frame of a subdirectory, None when it is no longer the one that was seen."""
        fds: list[int] = []
        try:
            opaque = self._open(entry, fds)
            if opaque is None:
                return None
            state = self.state.child(entry.name)
            child = Frame(fds, entry.name, self.join(entry.name), state, self)
            fds = []
        finally:
            for fd in fds:
                os.close(fd)
        child.reason, child.excluded = self.reason or state.reason, self.excluded
        child.depth, child.opaque = self.depth + 1, opaque
        child.hidden = self.hidden or opaque
        return child

    def deleted_below(self, entry: Entry) -> bool:
        """True when a layer below the entry's hides what is below that one."""
        for layer in self.fds[self.fds.index(entry.dir_fd) + 1 :]:
            found = overlay.lstat_if_exists(entry.name, layer)
            if found is not None:
                return not overlay.is_directory(found)
        return False

    def _open(self, entry: Entry, fds: list[int]) -> bool | None:
        """Open it in each layer, into `fds`; whether it hides the image, None when it is gone."""
        for layer in self.fds[self.fds.index(entry.dir_fd) :]:
            if layer != entry.dir_fd:
                found = overlay.lstat_if_exists(entry.name, layer)
                if found is None:
                    continue
                if not overlay.is_directory(found):
                    # It, or that it is deleted there, hides what is below it.
                    return True
            try:
                fd = overlay.open_directory(entry.name, layer)
            except OSError as error:
                if error.errno in _VANISHED:
                    return None
                raise
            fds.append(fd)
            if layer == entry.dir_fd and not overlay.same_inode(
                os.fstat(fd), entry.stat
            ):
                return None
            if overlay.marks("", fd) == "y":
                return True
        return False


def is_deleted(entry: Entry, marked: set[int]) -> bool:
    """True when the name stands for its deletion."""
    if overlay.is_whiteout(entry.stat):
        return True
    return entry.dir_fd in marked and overlay.is_marked_whiteout(
        entry.name, entry.dir_fd, entry.stat
    )


def too_long(path: str) -> bool:
    """True for what could be saved and pushed, and then be unpacked by no node."""
    # Most paths are short; only the others are looked at closely.
    return len(path) * 4 > LONGEST_PATH and len(os.fsencode(path)) > LONGEST_PATH
