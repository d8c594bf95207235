"""What a version stands on, and its packages against the first image of that line (pure)."""

from dataclasses import dataclass
from typing import Any

from hub_service.models import Version
from hub_service.package_changes import joined, read, written


@dataclass(frozen=True)
class Lineage:
    """The line that ends with a version.

    It is written down with the version, since versions below may be deleted later.
    """

    ancestors: tuple[str, ...]
    """Digests, nearest first; the last is the root: the first image that is known."""
    packages: dict[str, Any] | None
    """Added, removed and upgraded against the root; None = nobody knows."""

    @property
    def root(self) -> str | None:
        """The digest that the line begins with."""
        return self.ancestors[-1] if self.ancestors else None


def begun(version: Version) -> Lineage:
    """Return the line of a version of whose base nothing is known but its digest."""
    digest = version.base.get("digest")
    return Lineage((digest,) if digest else (), version.details.get("packages"))


def continued(version: Version, below: Lineage) -> Lineage:
    """Return the line of a version that was made from one with a known line."""
    digest = version.base["digest"]
    if digest == version.digest:
        # Nothing was changed: it is the same image under another number.
        return below
    found = version.details.get("packages")
    packages = None
    if found is not None and below.packages is not None:
        packages = written(joined(read(below.packages), read(found)))
    return Lineage((digest, *below.ancestors), packages)
