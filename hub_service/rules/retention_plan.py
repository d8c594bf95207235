"""What the retention rule would delete, and what became of it (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub_service.models import moment

WAITING, DELETED, KEPT = "waiting", "deleted", "kept"

Key = tuple[str, str, int]
"""Owner, name and number: what a version is found by."""


@dataclass(frozen=True)
class Candidate:
    """A version that the rule names."""

    owner: str
    name: str
    title: str
    number: int
    digest: str
    reference: str
    created: datetime
    last_started: datetime | None

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.owner, self.name, self.number


@dataclass(frozen=True)
class Item:
    """A version on the list of a dry run, and what became of it."""

    owner: str
    name: str
    title: str
    number: int
    digest: str
    created: str
    last_started: str | None
    bytes: int
    """Bytes that nothing else uses once all of the list is gone."""
    state: str = WAITING
    why: dict[str, Any] | None = None
    """Why it was kept after all: an error's wire form."""

    @classmethod
    def of(cls, candidate: Candidate, freed: int) -> "Item":
        """Make it of what the rule names."""
        return cls(
            owner=candidate.owner,
            name=candidate.name,
            title=candidate.title,
            number=candidate.number,
            digest=candidate.digest,
            created=candidate.created.isoformat(),
            last_started=moment(candidate.last_started),
            bytes=freed,
        )

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.owner, self.name, self.number


@dataclass(frozen=True)
class Plan:
    """A dry run: what it showed is all that a run of it ever deletes."""

    id: int
    days: int
    made: datetime
    made_by: str
    ran: datetime | None
    ran_by: str
    items: tuple[Item, ...] = field(default_factory=tuple)

    def bytes_of(self, *states: str) -> int:
        """Return the bytes of the items in these states."""
        return sum(item.bytes for item in self.items if item.state in states)


def freed_bytes(
    going: Mapping[Key, Mapping[str, int]], staying: Iterable[Mapping[str, int]]
) -> dict[Key, int]:
    """Return what the deletion of each version frees, if all of them go.

    Of each, the layers it brought and those it stands on: what a version that stays uses too is
    not freed, and what two of them use is counted once.
    """
    used: set[str] = set().union(*staying)
    freed: dict[Key, int] = {}
    for key, layers in going.items():
        alone = {digest: size for digest, size in layers.items() if digest not in used}
        freed[key] = sum(alone.values())
        used.update(alone)
    return freed
