"""The image below a container, as its processes would see it without their changes."""

from __future__ import annotations

import enum
import os
import stat
from collections import OrderedDict

from snapshot_agent.tree import overlay

# Where a walk is, and where it looks besides. Each is a descriptor in each layer that has it.
_MOST_OPEN = 4


class Kind(enum.Enum):
    """What is visible at a path."""

    DIRECTORY = "directory"
    OTHER = "other"


class LowerView:
    """Looks paths up in a stack of read-only layers, topmost first.

    - a whiteout, an opaque directory or a file in one layer hides what the layers below it
      have at that path, as in the kernel;
    - links are never followed, so a lookup never leaves the layers.
    """

    def __init__(self, layers: list[str]) -> None:
        self._roots: list[int] = []
        try:
            for layer in layers:
                self._roots.append(
                    os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                )
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        while self._roots:
            os.close(self._roots.pop())

    def __enter__(self) -> LowerView:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def kind(self, path: str) -> Kind | None:
        """What is visible at `path` (relative to the root), None when nothing is."""
        if not path:
            return Kind.DIRECTORY
        parent, _, name = path.rpartition("/")
        with self.directory(parent) as directory:
            return directory.kind(name)

    def entry(self, path: str) -> os.stat_result | None:
        """What the uppermost layer has at `path` that has anything, a deletion too."""
        parent, _, name = path.rpartition("/")
        with self.directory(parent) as directory:
            return directory.entry(name)

    def read(self, path: str, limit: int) -> bytes | None:
        """The content of a regular file, None when there is none or it is larger than `limit`."""
        parent, _, name = path.rpartition("/")
        with self.directory(parent) as directory:
            return directory.read(name, limit)

    def directory(self, path: str) -> LowerDirectory:
        """The merged directory at `path`; an empty one when there is no directory."""
        current = LowerDirectory([os.dup(root) for root in self._roots])
        for name in path.split("/") if path else ():
            with current:
                current = current.directory(name)
        return current


class ImageView(LowerView):
    """Layers of an image: nothing changes in them, so the last directories are kept open."""

    def __init__(self, layers: list[str]) -> None:
        self._last: OrderedDict[str, LowerDirectory] = OrderedDict()
        super().__init__(layers)

    def kind(self, path: str) -> Kind | None:
        if not path:
            return Kind.DIRECTORY
        parent, _, name = path.rpartition("/")
        if parent not in self._last:
            self._forget(_MOST_OPEN - 1)
            self._last[parent] = self.directory(parent)
        self._last.move_to_end(parent)
        return self._last[parent].kind(name)

    def close(self) -> None:
        self._forget(0)
        super().close()

    def _forget(self, most: int) -> None:
        while len(self._last) > most:
            self._last.popitem(last=False)[1].__exit__()


class LowerDirectory:
    """One merged directory: a descriptor in each layer that contributes to it."""

    def __init__(self, layers: list[int]) -> None:
        self._layers = layers

    def __enter__(self) -> LowerDirectory:
        return self

    def __exit__(self, *error: object) -> None:
        while self._layers:
            os.close(self._layers.pop())

    @property
    def fd(self) -> int | None:
        """The uppermost layer's directory; None when there is none."""
        return self._layers[0] if self._layers else None

    def kind(self, name: str) -> Kind | None:
        found = self._find(name)
        if found is None:
            return None
        return Kind.DIRECTORY if stat.S_ISDIR(found[1].st_mode) else Kind.OTHER

    def directory(self, name: str) -> LowerDirectory:
        """The merged subdirectory; an empty one when the name is not a directory."""
        merged = LowerDirectory([])
        try:
            for layer in self._layers:
                found = overlay.lstat_if_exists(name, layer)
                if found is None:
                    continue
                if not stat.S_ISDIR(found.st_mode):
                    break
                try:
                    merged._layers.append(overlay.open_directory(name, layer))
                except FileNotFoundError:
                    # Of a desktop that runs, it may have been moved just now.
                    continue
                except NotADirectoryError:
                    # Or something else is there by now, which hides what is below.
                    break
                if overlay.marks(name, layer) == "y":
                    break
        except BaseException:
            merged.__exit__()
            raise
        return merged

    def entry(self, name: str) -> os.stat_result | None:
        for layer in self._layers:
            found = overlay.lstat_if_exists(name, layer)
            if found is not None:
                return found
        return None

    def read(self, name: str, limit: int) -> bytes | None:
        found = self._find(name)
        if (
            found is None
            or not stat.S_ISREG(found[1].st_mode)
            or found[1].st_size > limit
        ):
            return None
        with open(overlay.open_file(name, found[0]), "rb") as file:
            return file.read(limit)

    def _find(self, name: str) -> tuple[int, os.stat_result] | None:
        for layer in self._layers:
            found = overlay.lstat_if_exists(name, layer)
            if found is not None:
                hidden = overlay.is_whiteout(found) or _marked(name, layer, found)
                return None if hidden else (layer, found)
        return None


def _marked(name: str, layer: int, found: os.stat_result) -> bool:
    # Only an empty file can be one, and only in a directory that says so.
    if not stat.S_ISREG(found.st_mode) or found.st_size != 0:
        return False
    return overlay.marks("", layer) == "x" and overlay.is_marked_whiteout(
        name, layer, found
    )
