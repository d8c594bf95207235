"""Descriptors of the directories of several trees, of which few are open at once."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence

from snapshot_agent.tree import overlay

# Of the last ones used: those on the way to where a walk is, and a few beside it.
_MOST_OPEN = 256


class Folders:
    """Opens directories by the tree's number and their path in it, and keeps the last ones.

    - one name after the other is opened, and no link is followed;
    - none is closed before `trim`: what was given out since then stays what it is;
    - all are closed with it.
    """

    def __init__(self, roots: Sequence[str], most: int = _MOST_OPEN) -> None:
        self._most = most
        self._open: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._roots: list[int] = []
        try:
            for root in roots:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
                self._roots.append(os.open(root, flags))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])
        while self._roots:
            os.close(self._roots.pop())

    def __enter__(self) -> Folders:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self, tree: int, path: str) -> int:
        """The directory at a path; OSError when there is none."""
        if not path:
            return self._roots[tree]
        key = tree, path
        if key in self._open:
            self._open.move_to_end(key)
        else:
            self._open[key] = self._opened(tree, path)
        return self._open[key]

    def trim(self) -> None:
        """Close those that were not used for the longest time, if there are many."""
        while len(self._open) > self._most:
            os.close(self._open.popitem(last=False)[1])

    def _opened(self, tree: int, path: str) -> int:
        above, missing = path, list[str]()
        while above and (tree, above) not in self._open:
            above, _, name = above.rpartition("/")
            missing.append(name)
        start = self._open[tree, above] if above else self._roots[tree]
        fd = overlay.open_directory(missing.pop(), start)
        while missing:
            # The ones on the way are not kept: of a deep tree they would be many.
            try:
                below = overlay.open_directory(missing.pop(), fd)
            finally:
                os.close(fd)
            fd = below
        return fd
