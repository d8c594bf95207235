"""The mounts that a dead kubelet or containerd leaves behind."""

from __future__ import annotations

from pathlib import Path

from devcluster.command import run


def mounts_below(table: str, folder: Path) -> list[str]:
    """The mount points inside a folder, youngest first, from the text of /proc/self/mounts."""
    inside = f"{folder}/"
    points = [
        line.split()[1].encode().decode("unicode_escape") for line in table.splitlines()
    ]
    return [point for point in reversed(points) if point.startswith(inside)]


def unmount_below(folder: Path) -> None:
    """Unmount everything inside a folder, also what is mounted twice or still open."""
    table = Path("/proc/self/mounts")
    while points := mounts_below(table.read_text(), folder):
        for point in points:
            run(["umount", "--lazy", "--no-canonicalize", point])
