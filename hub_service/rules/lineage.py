"""What a version stands on, and its packages against the first image of that line (pure)."""

from dataclasses import dataclass, field, replace
from typing import Any

from hub_service.models import Version
from hub_service.rules.package_changes import joined, read, written


@dataclass(frozen=True)
class Lineage:
    """The line that ends with a version.

    It is written down with the version, since versions below may be deleted later.
    """

    ancestors: tuple[str, ...]
    """Digests, nearest first; the last is the root: the first image that is known."""
    packages: dict[str, Any] | None
    """Added, removed and upgraded against the root; None = nobody knows."""
    new_layers: dict[str, int] = field(default_factory=dict)
    """Digest and compressed bytes of what the version itself brought."""
    layers_below: dict[str, int] = field(default_factory=dict)
    """The same of those that it stands on, without the root, and without what it joined."""

    @property
    def root(self) -> str | None:
        """The digest that the line begins with."""
        return self.ancestors[-1] if self.ancestors else None


def begun(version: Version) -> Lineage:
    """Return the line of a version of whose base nothing is known but its digest."""
    digest = version.base.get("digest")
    return Lineage(
        (digest,) if digest else (),
        version.details.get("packages"),
        version.own_layers,
    )


def layers_kept(known: Any, digest: str, size: int) -> dict[str, int]:
    """Return a version's own layers as a row has them; a row of before has none."""
    return dict(known) if known else {digest: size}


def continued(version: Version, below: Lineage) -> Lineage:
    """Return the line of a version that was made from one with a known line."""
    digest = version.base["digest"]
    if digest == version.digest:
        # Nothing was changed: it is the same image under another number.
        return below
    begin = begun(version)
    found = version.details.get("packages")
    packages = None
    # An agent of before tells how many they were.
    told = version.details.get("joined_layers")
    joined_layers = set(told if isinstance(told, list) else ())
    if found is not None and below.packages is not None:
        packages = written(joined(read(below.packages), read(found)))
    return replace(
        begin,
        ancestors=(digest, *below.ancestors),
        packages=packages,
        layers_below={
            layer: size
            for layer, size in {**below.layers_below, **below.new_layers}.items()
            if layer not in joined_layers
        },
    )
