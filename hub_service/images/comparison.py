"""What differs between two versions of an image (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub_service.models import Version
from hub_service.rules.lineage import Lineage
from hub_service.rules.package_changes import joined, read, turned, written


@dataclass(frozen=True)
class Comparison:
    """Two versions, and the way from the first to the second."""

    author: str
    first: Version
    second: Version
    packages: dict[str, Any] | None
    """Added, removed and upgraded on the way; None = nobody knows."""
    same_root: bool
    """False: they began with different images, whose own difference is not in `packages`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form."""
        return {
            "author": self.author,
            "from": self.first.to_dict(),
            "to": self.second.to_dict(),
            "packages": self.packages,
            "same_root": self.same_root,
        }


@dataclass(frozen=True)
class File:
    """A file that is among the biggest of what one of two versions changed."""

    path: str
    bytes: tuple[int | None, int | None]
    """In the first and in the second; None = not among the biggest there, or not recorded."""


def biggest(first: Version, second: Version) -> list[File]:
    """Return the biggest files of what either version changed, the largest first."""
    told = [
        {one["path"]: one["bytes"] for one in version.details.get("biggest") or ()}
        for version in (first, second)
    ]
    files = [
        File(path, (told[0].get(path), told[1].get(path)))
        for path in dict.fromkeys([*told[0], *told[1]])
    ]
    return sorted(
        files, key=lambda one: (-max(size or 0 for size in one.bytes), one.path)
    )


def compared(
    author: str,
    versions: tuple[Version, Version],
    lines: Sequence[Lineage | None],
) -> Comparison:
    """Compare two versions by their packages against what they began with."""
    first, second = lines
    packages = None
    same = bool(first and second and first.root == second.root)
    if first and second and first.packages is not None and second.packages is not None:
        way = joined(turned(read(first.packages)), read(second.packages))
        packages = written(way)
    return Comparison(author, *versions, packages=packages, same_root=same)
