"""What a desktop's own changes hide of the layers below them, for good.

It is asked before these changes are written, and decides what need not be written of what is
below. So it says yes only where nothing can bring it back: the kernel shows nothing again that
was deleted or replaced. Where it is not sure, it says no, which costs bytes and nothing else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from snapshot_agent.exclusions import Rules, State, hides_whiteouts
from snapshot_agent.tree import overlay
from snapshot_agent.tree.changes import kind_of
from snapshot_agent.tree.folders import Folders
from snapshot_agent.tree.frame import MAX_DEPTH, too_long
from snapshot_agent.tree.lower import Kind, LowerView


@dataclass(frozen=True, slots=True)
class Over:
    """A directory of the desktop that lies over one of the image, and shows what is in it."""

    path: str
    state: State
    # Why nothing in it is taken but deletions.
    reason: str | None = None
    # True for one in the home, that lies over where homes begin from.
    again: bool = False

    def below(self, name: str) -> Over:
        state = self.state.child(name)
        path = f"{self.path}/{name}" if self.path else name
        return Over(path, state, self.reason or state.reason, self.again)


class Cover:
    """Looks at a desktop's own changes, name by name.

    - what the rules leave out of a save hides nothing there, but a deletion does;
    - what is too large to be taken hides nothing, nor does what has a secret in it;
    - a change of the home hides, besides, what an earlier save has put where homes begin from,
      unless the person has something there.
    """

    def __init__(
        self,
        upper: str,
        image: LowerView,
        rules: Rules,
        *,
        home_defaults: str = "",
        largest_file: int = 1 << 62,
        refused: Iterable[tuple[int, int]] = (),
    ) -> None:
        """`image` is all that is below the desktop; `refused` are inodes with a secret."""
        self._folders = Folders([upper])
        self._image = image
        self._rules = rules
        self._defaults = home_defaults if rules.home else ""
        self._largest_file = largest_file
        self._refused = frozenset(refused)

    def close(self) -> None:
        self._folders.close()

    def top(self) -> tuple[Over, ...]:
        return (Over("", self._rules.start),)

    def within(self, path: str, over: tuple[Over, ...]) -> tuple[Over, ...]:
        """What lies over a directory, when `over` lies there of the same path."""
        self._folders.trim()
        if not self._defaults or path != self._defaults:
            return over
        home = None if self._is_other(path) else self._home()
        return over if home is None else (*over, home)

    def in_home(self, path: str) -> str:
        """Where the home has what homes begin with at a path."""
        return self._rules.home + path[len(self._defaults) :]

    def hides(
        self,
        over: tuple[Over, ...],
        name: str,
        found: os.stat_result,
        twin: Callable[[], bool],
    ) -> tuple[bool, tuple[Over, ...]]:
        """Whether a name of the image is hidden; if not, what lies over what is below it.

        `found` is what the image has there, a `twin` when `in_home` is the same inode.
        """
        on: list[Over] = []
        for one in over:
            there = self._lstat(one, name)
            if there is None:
                continue
            hidden = self._hides(one, name, there, found, twin)
            if hidden:
                return True, ()
            if hidden is None:
                on.append(one.below(name))
            if not one.again:
                # The person's own: nothing of the home goes there a second time.
                break
        return False, tuple(on)

    def _hides(
        self,
        over: Over,
        name: str,
        there: os.stat_result,
        found: os.stat_result,
        twin: Callable[[], bool],
    ) -> bool | None:
        """Whether `there` hides `found`; None when both are shown together."""
        below = over.below(name)
        if below.reason is not None and hides_whiteouts(below.reason):
            return False
        if overlay.is_whiteout(there):
            return not over.again or self._image.kind(below.path) is not None
        if stat.S_ISDIR(there.st_mode) and stat.S_ISDIR(found.st_mode):
            if not self._opaque(below.path):
                return None
            return self._will_be_taken(below, there) and self._replaced(below)
        if not self._will_be_taken(below, there):
            return False
        # A new file of the home may go again, and what is there in the defaults be seen again.
        return twin() if over.again else True

    def _replaced(self, directory: Over) -> bool:
        """True when a new directory goes with the deletion of the one below it."""
        if not directory.again:
            return True
        return self._image.kind(directory.path) is Kind.DIRECTORY

    def _will_be_taken(self, over: Over, there: os.stat_result) -> bool:
        if over.reason is not None or kind_of(there) is None:
            return False
        if over.path.count("/") >= MAX_DEPTH or too_long(over.path):
            return False
        if (there.st_dev, there.st_ino) in self._refused:
            return False
        return not stat.S_ISREG(there.st_mode) or there.st_size <= self._largest_file

    def _home(self) -> Over | None:
        """The desktop's own home; None when it is not just a directory, or is left out."""
        at = Over("", self._rules.start, again=True)
        for name in self._rules.home.split("/"):
            there = self._lstat(at, name)
            at = at.below(name)
            if there is None or not stat.S_ISDIR(there.st_mode):
                return None
            if at.reason is not None or self._opaque(at.path):
                return None
        return at

    def _is_other(self, path: str) -> bool:
        """True when the desktop has something there, or on the way, that is no directory."""
        at = Over("", self._rules.start)
        for name in path.split("/"):
            there = self._lstat(at, name)
            if there is None or not stat.S_ISDIR(there.st_mode):
                return there is not None
            at = at.below(name)
        return False

    def _lstat(self, over: Over, name: str) -> os.stat_result | None:
        try:
            folder = self._folders.open(0, over.path)
            return overlay.lstat_if_exists(name, folder)
        except OSError:
            # The desktop runs, and may have deleted it just now.
            return None

    def _opaque(self, path: str) -> bool:
        try:
            return overlay.marks("", self._folders.open(0, path)) == "y"
        except OSError:
            return False
