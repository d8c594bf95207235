"""What a save reads, and what it stands on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager

from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.container import Desktop
from snapshot_agent.exclusions import Rules
from snapshot_agent.tree import overlay
from snapshot_agent.tree.changes import Change, Kind, LeaveOut, Walker
from snapshot_agent.tree.cover import Cover
from snapshot_agent.tree.home_defaults import HomeDefaults
from snapshot_agent.tree.joined import JoinedLayers
from snapshot_agent.tree.lower import ImageView, LowerView


class Ground:
    """The desktop's own changes, on the layers of the image that it was started from.

    - the uppermost `joined` ones of these were saved from desktops, and are written anew;
    - nothing is opened before it is entered, and all is closed with it.
    """

    def __init__(self, desktop: Desktop, rules: Rules, joined: int = 0) -> None:
        self._desktop = desktop
        self._rules = rules
        self._joined = joined
        self._open = ExitStack()

    def __enter__(self) -> Ground:
        lowers = list(self._desktop.lowers)
        with self._open as stack:
            self.below = stack.enter_context(ImageView(lowers))
            self.saved = stack.enter_context(ImageView(lowers[: self._joined]))
            self._upper = stack.enter_context(LowerView([self._desktop.upper]))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def walker(self, leave_out: LeaveOut) -> Walker:
        """A walk over the desktop's own changes."""
        return Walker(self._desktop.upper, self.below, self._rules, leave_out)

    def home_defaults(self, folder: str) -> HomeDefaults:
        """Where what is saved of the home goes again, for one save."""
        return HomeDefaults(
            self._rules.home,
            folder,
            lambda path: self.below.kind(path) is not None,
            lambda path: self._has_own(path, folder),
        )

    def own_folders(self, paths: Iterable[str]) -> Iterator[Change]:
        """Those of the paths that are folders of the desktop's own, and taken, as changes."""
        for path in paths:
            if self._rules.reason(path) is not None:
                continue
            with self._upper.directory(path) as folder:
                fd = folder.fd
                if fd is not None:
                    found, now = os.fstat(fd), time.time_ns()
                    yield Change(path, Kind.DIRECTORY, "", fd, found, now)

    def shows_through(self, path: str) -> bool:
        """True when the desktop has a folder there that hides nothing of the image's."""
        with self._upper.directory(path) as folder:
            fd = folder.fd
            return fd is not None and overlay.marks("", fd) != "y"

    def _has_own(self, path: str, folder: str) -> bool:
        """True when the desktop has something at `path`, or no folder that it could be in."""
        at = folder
        for name in path[len(folder) + 1 :].split("/") if path != folder else ():
            found = self._upper.entry(at)
            if found is None or not overlay.is_directory(found):
                return found is not None
            at = f"{at}/{name}"
        return self._upper.entry(at) is not None


@contextmanager
def joined_layers(
    desktop: Desktop,
    count: int,
    rules: Rules,
    settings: CaptureSettings,
    refused: Iterable[tuple[int, int]] = (),
) -> Iterator[JoinedLayers]:
    """So many of the image's uppermost layers as one, without what the desktop hides of them.

    Its `refused` inodes have a secret in them, and hide nothing.
    """
    lowers = list(desktop.lowers)
    with ExitStack() as stack:
        image = stack.enter_context(ImageView(lowers))
        below = stack.enter_context(ImageView(lowers[count:]))
        cover = Cover(
            desktop.upper,
            image,
            rules,
            home_defaults=settings.home_defaults,
            largest_file=settings.largest_file,
            refused=refused,
        )
        stack.enter_context(closing(cover))
        yield stack.enter_context(JoinedLayers(lowers[:count], below, cover))
