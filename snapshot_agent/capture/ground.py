"""What a save reads, and what it stands on."""

from __future__ import annotations

from contextlib import ExitStack

from snapshot_agent.capture.container import Desktop
from snapshot_agent.exclusions import Rules
from snapshot_agent.tree import overlay
from snapshot_agent.tree.changes import LeaveOut, Walker
from snapshot_agent.tree.frame import Entry, Frame
from snapshot_agent.tree.home_defaults import HomeDefaults
from snapshot_agent.tree.lower import LowerView


class Ground:
    """The desktop's own changes, on the layers of the image that it was started from.

    - of these, the uppermost `joined` ones are read too, as if the desktop had made their
      changes itself: they were saved from desktops before;
    - nothing is opened before it is entered, and all is closed with it.
    """

    def __init__(self, desktop: Desktop, rules: Rules, joined: int = 0) -> None:
        self._rules = rules
        self._own = [desktop.upper]
        self._joined = list(desktop.lowers[:joined])
        self._below = list(desktop.lowers[joined:])
        self._open = ExitStack()

    def __enter__(self) -> Ground:
        with self._open as stack:
            self.below = stack.enter_context(LowerView(self._below))
            self._upper = stack.enter_context(LowerView(self._own))
            self._saved = [
                stack.enter_context(LowerView([path])) for path in self._joined
            ]
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def walker(self, leave_out: LeaveOut, home_defaults: str = "") -> Walker:
        """A walk over what is read; what HomeDefaults will write again is passed over."""

        def repeated(frame: Frame, entry: Entry) -> bool:
            home = self._rules.home
            if not (self._joined and home and home_defaults):
                return False
            path = frame.join(entry.name)
            if not path.startswith(home_defaults + "/"):
                return False
            return self._is_copy(path, home + path[len(home_defaults) :])

        layers = [*self._own, *self._joined]
        return Walker(layers, self.below, self._rules, leave_out, repeated)

    def home_defaults(self, folder: str) -> HomeDefaults:
        """Where what is saved of the home goes again, for one save."""
        home = self._rules.home
        touched = self._upper.entry(folder) is not None

        def own(path: str) -> bool:
            if touched and self._has_own(path, folder):
                return True
            for saved in self._saved:
                found = saved.entry(path)
                if found is not None:
                    copied = self._is_copy(path, home + path[len(folder) :])
                    directory = overlay.is_directory(found)
                    return not copied and not directory
            return False

        return HomeDefaults(
            home, folder, lambda path: self.below.kind(path) is not None, own
        )

    def _has_own(self, path: str, folder: str) -> bool:
        """True when the desktop has something at `path`, or no folder that it could be in."""
        at = folder
        for name in path[len(folder) + 1 :].split("/"):
            found = self._upper.entry(at)
            if found is None or not overlay.is_directory(found):
                return found is not None
            at = f"{at}/{name}"
        return self._upper.entry(at) is not None

    def _is_copy(self, path: str, home: str) -> bool:
        """True when an earlier save has written it, as another name of what is in the home."""
        for saved in self._saved:
            found = saved.entry(path)
            if found is not None:
                first = saved.entry(home)
                return first is not None and overlay.same_inode(found, first)
        return False
