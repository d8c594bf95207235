"""What the retention rule would delete, and what became of it (pure)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub_service.models import moment

WAITING, DELETED, KEPT = "waiting", "deleted", "kept"


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
    new_bytes: int

    @property
    def key(self) -> tuple[str, str, int]:
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
    def key(self) -> tuple[str, str, int]:
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
    candidates: list[Candidate], remaining: dict[str, set[str]]
) -> dict[tuple[str, str, int], int]:
    """Return what the deletion of each candidate frees, if all of them go.

    - `remaining`: of every version that stays, its digest and those of what it stands on
    - layers that a version that stays uses too are not freed; of two candidates with the same
      image, one frees it
    """
    used = set(remaining).union(*remaining.values())
    freed: dict[tuple[str, str, int], int] = {}
    for one in candidates:
        freed[one.key] = 0 if one.digest in used else one.new_bytes
        used.add(one.digest)
    return freed
