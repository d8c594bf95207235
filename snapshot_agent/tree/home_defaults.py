"""What a volume over the home would hide, put also where the image restores a new home from.

In a use session a volume covers the home, so nothing that was saved below it is seen. Our
images keep the defaults of a home in a folder of their own and copy them into a new one when
they start; what is saved of the home goes there too, as hard links that cost no bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from snapshot_agent.tree.changes import Change, Kind


class HomeDefaults:
    """Says where a change of the home goes a second time.

    - nowhere, when the image has no such folder: it would not know what to do with it
    - a deletion only where there is something to delete: a whiteout of nothing would be
      listed by some programs and found by none
    - nowhere, when a person has put something there, or deleted it: that is what they want
    """

    def __init__(
        self,
        home: str,
        defaults: str,
        exists: Callable[[str], bool],
        own: Callable[[str], bool],
    ) -> None:
        """`home` and `defaults` are relative to the root; `exists` looks at the image below.

        `own` tells whether the desktop's own changes have anything at a path.
        """
        self._home = home
        self._defaults = defaults
        self._exists = exists
        self._own = own
        self._used = bool(home and defaults) and exists(defaults)

    def place(self, change: Change) -> str | None:
        """Return the second path of a change that was taken, None when it has none."""
        path = self.second(change.path) if change.taken else None
        if path is None:
            return None
        # A marker is about the folder that it is in.
        opaque = change.kind is Kind.OPAQUE
        if self._own(path.rpartition("/")[0] if opaque else path):
            return None
        if change.known:
            # What the layers have of it, they have in both places.
            return path
        if change.kind is Kind.WHITEOUT and not self._exists(path):
            return None
        if opaque and not self._exists(path.rpartition("/")[0]):
            return None
        return path

    def folders(self, place: str) -> list[str]:
        """Those that a place is in, the highest first."""
        found = []
        while place != self._defaults:
            place = place.rpartition("/")[0]
            found.append(place)
        return found[::-1]

    def second(self, path: str) -> str | None:
        """Where a path of the home is again, whatever is there; None for other paths."""
        if not self._used or not (path + "/").startswith(self._home + "/"):
            return None
        return self._defaults + path[len(self._home) :]
