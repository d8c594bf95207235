"""Layers of an image, the uppermost first, as the one layer that shows the same in their place."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from snapshot_agent.tree import overlay
from snapshot_agent.tree.changes import Change, Kind, kind_of
from snapshot_agent.tree.cover import Cover, Over
from snapshot_agent.tree.folders import Folders
from snapshot_agent.tree.frame import MAX_DEPTH, MOST_NAMES, TooManyNames, too_long
from snapshot_agent.tree.lower import Kind as LowerKind
from snapshot_agent.tree.lower import LowerView


class CannotJoin(Exception):
    """Something is in the layers that no layer can hold; its path is the message."""


class _Found(NamedTuple):
    """One name, as the uppermost layer has it that has it."""

    name: str
    stat: os.stat_result
    layer: int


@dataclass(slots=True)
class _Joined:
    """One directory, and the layers that make it up."""

    path: str
    layers: tuple[int, ...]
    folders: Folders
    parent: _Joined | None = None
    # What the desktop has over it.
    over: tuple[Over, ...] = ()
    # True when nothing of the image below the layers shows through here.
    hidden: bool = False
    depth: int = 0
    todo: list[tuple[_Found, tuple[Over, ...]]] = field(default_factory=list)
    reason: None = None
    # Nothing changes in it: whatever times there are tell so.
    seen_at: int = 1 << 62

    @property
    def fd(self) -> int:
        return self.folders.open(self.layers[0], self.path)

    def join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


class Gone:
    """Paths of which neither the layer nor the image below it has anything, nor below them.

    A deletion of one of them would be a deletion of nothing.
    """

    def __init__(self) -> None:
        # Hashes: there may be a million of them.
        self._paths: set[int] = set()

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, path: str) -> None:
        self._paths.add(hash(path))

    def __contains__(self, path: str) -> bool:
        at = path if self._paths else ""
        while at:
            if hash(at) in self._paths:
                return True
            at = at.rpartition("/")[0]
        return False


class JoinedLayers:
    """Yields what is in them, parents first, in one fixed order.

    - together with the image below it is what the layers showed together with it, but for what
      a desktop on top of them hides: of that it has nothing, and all of it is in `gone`;
    - deletions come before their siblings, and only for what the image below really shows;
    - a directory that hides what is below it is followed by one opaque marker;
    - nothing is left out, whatever today's rules say: it was saved before;
    - few descriptors are open, however deep the trees and however many the layers.

    Raises CannotJoin, TooManyNames or Strange for layers that no save of ours has made.
    """

    def __init__(
        self, layers: Sequence[str], below: LowerView, cover: Cover | None = None
    ) -> None:
        """`below` is the image below the layers."""
        self.gone = Gone()
        self._layers = layers
        self._below = below
        self._cover = cover
        self._folders = Folders(layers)

    def close(self) -> None:
        self._folders.close()

    def __enter__(self) -> JoinedLayers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def walk(self) -> Iterator[Change]:
        """All of it; a change is valid until the next one is asked for."""
        root = _Joined("", tuple(range(len(self._layers))), self._folders)
        if self._cover is not None:
            root.over = self._cover.within("", self._cover.top())
        yield from self._open(root)
        stack = [root]
        while stack:
            folder = stack[-1]
            if not folder.todo:
                stack.pop()
                continue
            self._folders.trim()
            child = yield from self._entry(folder, *folder.todo.pop())
            if child is not None:
                stack.append(child)
                yield from self._open(child)

    def _open(self, folder: _Joined) -> Iterator[Change]:
        """Read a directory's names; what is deleted or hidden among them comes out at once."""
        for found, deleted in sorted(self._scan(folder), reverse=True):
            path = folder.join(found.name)
            over: tuple[Over, ...] = ()
            if not deleted and self._cover is not None:
                hidden, over = self._covered(self._cover, folder, found)
                if hidden:
                    self.gone.add(path)
                    deleted = True
            if not deleted:
                folder.todo.append((found, over))
            elif not folder.hidden and self._below.kind(path) is not None:
                name, fd = found.name, folder.fd
                yield Change(path, Kind.WHITEOUT, name, fd, frame=folder)

    def _scan(self, folder: _Joined) -> Iterator[tuple[_Found, bool]]:
        """Every name once, and whether it stands for its deletion."""
        known: set[str] = set()
        for layer in folder.layers:
            fd = self._folders.open(layer, folder.path)
            marked = overlay.marks("", fd) == "x"
            with os.scandir(fd) as entries:
                for one in entries:
                    if one.name in known:
                        continue
                    known.add(one.name)
                    if len(known) > MOST_NAMES:
                        raise TooManyNames(folder.path)
                    status = one.stat(follow_symlinks=False)
                    deleted = overlay.is_whiteout(status) or (
                        marked and overlay.is_marked_whiteout(one.name, fd, status)
                    )
                    yield _Found(one.name, status, layer), deleted

    def _covered(
        self, cover: Cover, folder: _Joined, found: _Found
    ) -> tuple[bool, tuple[Over, ...]]:
        def twin() -> bool:
            home, _, name = cover.in_home(folder.join(found.name)).rpartition("/")
            try:
                fd = self._folders.open(found.layer, home)
            except OSError:
                return False
            first = overlay.lstat_if_exists(name, fd)
            return first is not None and overlay.same_inode(first, found.stat)

        return cover.hides(folder.over, found.name, found.stat, twin)

    def _entry(
        self, folder: _Joined, found: _Found, over: tuple[Over, ...]
    ) -> Generator[Change, None, _Joined | None]:
        path, kind = folder.join(found.name), kind_of(found.stat)
        odd = found.name.startswith(overlay.WHITEOUT_PREFIX) or too_long(path)
        if kind is None or odd or folder.depth >= MAX_DEPTH:
            raise CannotJoin(path)
        fd = self._folders.open(found.layer, folder.path)
        if kind is Kind.FILE:
            overlay.check_data(found.name, fd, found.stat)
        change = Change(path, kind, found.name, fd, found.stat, folder.seen_at)
        change.frame = folder
        yield change
        if kind is not Kind.DIRECTORY:
            return None
        child = self._enter(folder, found)
        if self._cover is not None:
            child.over = self._cover.within(path, over)
        starts_hidden = child.hidden and not folder.hidden
        if starts_hidden and self._below.kind(path) is LowerKind.DIRECTORY:
            marker = child.join(overlay.OPAQUE_MARKER)
            yield Change(marker, Kind.OPAQUE, "", child.fd, frame=child)
        return child

    def _enter(self, folder: _Joined, found: _Found) -> _Joined:
        path, layers, hidden = folder.join(found.name), list[int](), folder.hidden
        for layer in folder.layers[folder.layers.index(found.layer) :]:
            above = self._folders.open(layer, folder.path)
            there = overlay.lstat_if_exists(found.name, above)
            if there is None:
                continue
            if not overlay.is_directory(there):
                # It, or that it is deleted there, hides what is below it.
                hidden = True
                break
            layers.append(layer)
            if overlay.marks("", self._folders.open(layer, path)) == "y":
                hidden = True
                break
        child = _Joined(path, tuple(layers), self._folders, folder)
        child.hidden, child.depth = hidden, folder.depth + 1
        return child
