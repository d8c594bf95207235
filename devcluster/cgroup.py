"""The cluster's own control group: every process of the cluster is below it, nothing else is.

That makes two things simple: `down` finds what a killed command left behind, and the memory of
the whole cluster is one number. Both layouts are known: one hierarchy (version 2) and one
hierarchy a controller (version 1).
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

MOUNT = Path("/sys/fs/cgroup")
NAME = "devcluster"
SYSTEM = "system"
"""The group of the components; the kubelet makes `kubepods` beside it."""


class Cgroup:
    """The tree below `/sys/fs/cgroup/**/devcluster`."""

    def __init__(self, mount: Path = MOUNT, name: str = NAME) -> None:
        self._mount = mount
        self._name = name

    @property
    def unified(self) -> bool:
        """Whether the machine has version 2 only."""
        return (self._mount / "cgroup.controllers").exists()

    def _hierarchies(self) -> list[Path]:
        if self.unified:
            return [self._mount]
        # A link (cpu -> cpu,cpuacct) is the same hierarchy under another name.
        folders = [
            f for f in self._mount.iterdir() if f.is_dir() and not f.is_symlink()
        ]
        return sorted(f for f in folders if (f / "cgroup.procs").exists())

    def roots(self) -> list[Path]:
        """Our folder in every hierarchy, whether it exists or not."""
        return [hierarchy / self._name for hierarchy in self._hierarchies()]

    def ensure(self) -> None:
        """Make the tree, ready to take processes and pods."""
        for root in self.roots():
            for folder in (root, root / SYSTEM):
                folder.mkdir(exist_ok=True)
                _inherit_cpuset(folder)
            if self.unified:
                for parent in (self._mount, root):
                    _delegate(parent)

    def join(self, pid: int) -> None:
        """Move a component into the group; its children are born there."""
        for root in self.roots():
            (root / SYSTEM / "cgroup.procs").write_text(str(pid))

    def processes(self, below: str = ".") -> set[int]:
        """Every process below us, or below a folder of ours, in whichever hierarchy."""
        found: set[int] = set()
        for root in self.roots():
            for folder in _folders(root / below):
                found.update(_members(folder))
        return found

    def memory(self) -> int | None:
        """Bytes in use without the page cache that the kernel may drop, or None if not counted."""
        root = (
            self._mount / self._name
            if self.unified
            else self._mount / "memory" / self._name
        )
        usage = root / ("memory.current" if self.unified else "memory.usage_in_bytes")
        if not usage.exists():
            return None
        lines = (root / "memory.stat").read_text().splitlines()
        counts = dict(line.split(maxsplit=1) for line in lines)
        droppable = counts.get(
            "inactive_file" if self.unified else "total_inactive_file", "0"
        )
        return int(usage.read_text()) - int(droppable)

    def end_processes(self, patience: float, below: str = ".") -> None:
        """End everything below: asked first, forced after `patience` seconds."""
        for pid in self.processes(below):
            _kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self.processes(below) and time.monotonic() < deadline:
            time.sleep(0.05)
        # A process forked while we looked is seen in the next round.
        while left := self.processes(below):
            for pid in left:
                _kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def remove(self) -> None:
        """Take the empty tree away."""
        for root in self.roots():
            for folder in reversed(list(_folders(root))):
                folder.rmdir()


def _folders(root: Path) -> Iterator[Path]:
    """A folder and all below it, parents first."""
    if not root.is_dir():
        return
    yield root
    for folder, names, _ in os.walk(root):
        yield from (Path(folder) / name for name in names)


def _members(folder: Path) -> list[int]:
    try:
        with (folder / "cgroup.procs").open() as file:
            return pids(file)
    except FileNotFoundError:  # removed by the runtime while we walked
        return []


def pids(file: TextIO) -> list[int]:
    """The processes that an open list of a group names; none when the group is gone meanwhile."""
    try:
        return [int(line) for line in file.read().split()]
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return []


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _inherit_cpuset(folder: Path) -> None:
    """Version 1 starts a cpuset empty, and an empty one takes no process."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (folder / name).exists() and (folder.parent / name).exists():
            (folder / name).write_text((folder.parent / name).read_text())


def _delegate(folder: Path) -> None:
    """Version 2 offers a controller to the folders below only when told to."""
    controllers = (folder / "cgroup.controllers").read_text().split()
    (folder / "cgroup.subtree_control").write_text(
        " ".join(f"+{name}" for name in controllers)
    )
