"""Which inodes came out with some of their names only."""

from __future__ import annotations

import os
from collections.abc import Iterable

from snapshot_agent.tree.changes import Change
from snapshot_agent.tree.frame import Entry


class Links:
    """The names of one inode, as one pass over what has changed meets them.

    An inode may change between the looks at two of its names. Then one of them comes out and
    the other does not, and on top of the passes before it would be a file of its own: so the
    pass after takes all names of what is torn, changed or not.
    """

    def __init__(self, torn: set[int]) -> None:
        """`torn` is what the pass before has left."""
        self._before = torn
        # How many names are still to come.
        self._missing: dict[int, int] = {}
        self._changed: set[int] = set()

    def is_torn(self, found: os.stat_result) -> bool:
        return found.st_nlink > 1 and found.st_ino in self._before

    def any_torn(self, entries: Iterable[Entry]) -> bool:
        return bool(self._before) and any(self.is_torn(one.stat) for one in entries)

    def came_out(self, change: Change, changed: bool) -> None:
        """Count a name that has been written; not `changed` where only another one made it so."""
        if change.stat is None or change.stat.st_nlink < 2 or not change.taken:
            return
        inode = change.stat.st_ino
        if changed:
            self._changed.add(inode)
        self._missing[inode] = self._missing.get(inode, change.stat.st_nlink) - 1

    def torn(self) -> set[int]:
        # A name that is left out never comes: without a change, nobody waits for it again.
        return {inode for inode in self._changed if self._missing[inode]}
