"""How much a person may keep, and whether something more fits (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hub_service.errors import BadRequest, Conflict, sentence
from hub_service.models import BUILD, Person

USER, GROUP, EVERYBODY = "user", "group", "everybody"
KINDS = (USER, GROUP, EVERYBODY)
ALL = "all"
"""The name of the rule for everybody."""


@dataclass(frozen=True)
class Quota:
    """A rule: what a user, each member of a group, or everybody may keep."""

    kind: str
    name: str
    bytes: int | None
    """Compressed bytes that their versions added; None = no limit."""
    versions: int | None
    """Versions of all their images together; None = no limit."""

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form."""
        return {
            "kind": self.kind,
            "name": self.name,
            "bytes": self.bytes,
            "versions": self.versions,
        }


@dataclass(frozen=True)
class Usage:
    """What a person keeps."""

    images: int = 0
    versions: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Allowance:
    """What a person keeps, may keep, and has asked for already."""

    usage: Usage
    bytes: int | None = None
    versions: int | None = None
    rules: tuple[Quota, ...] = ()
    """The rules that decide; none = nothing is limited."""
    coming_bytes: int = 0
    """Bytes that saves under way may add."""
    coming_versions: int = 0

    @property
    def free_bytes(self) -> int | None:
        """What may still be added; None = no limit."""
        if self.bytes is None:
            return None
        return max(0, self.bytes - self.usage.bytes - self.coming_bytes)

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form."""
        return {
            "bytes": {"used": self.usage.bytes, "limit": self.bytes},
            "versions": {"used": self.usage.versions, "limit": self.versions},
            "rules": [rule.to_dict() for rule in self.rules],
        }


def checked(quota: Quota) -> Quota:
    """Return a rule that can be kept, or raise BadRequest."""
    if quota.kind not in KINDS:
        raise BadRequest(
            "invalid_request",
            sentence("{value} is no kind of quota: choose user, group or everybody."),
            value=quota.kind,
        )
    shown = quota.name.strip() and quota.name.isprintable() and len(quota.name) <= 255
    if not shown or (quota.kind == EVERYBODY and quota.name != ALL):
        raise BadRequest(
            "invalid_request", sentence("Say whose quota it is: a user or a group.")
        )
    if quota.bytes is None and quota.versions is None:
        raise BadRequest(
            "quota_empty",
            sentence("Give at least one limit, or remove this quota."),
        )
    return quota


def deciding(person: Person, rules: Iterable[Quota]) -> tuple[Quota, ...]:
    """Return the rules that decide for a person.

    - a rule of their own decides alone
    - else those of their groups, where the most generous of each figure counts
    - else the one for everybody
    """
    known = list(rules)
    own = [one for one in known if (one.kind, one.name) == (USER, person.name)]
    groups = [one for one in known if one.kind == GROUP and one.name in person.groups]
    rest = [one for one in known if one.kind == EVERYBODY]
    return tuple(own or groups or rest)


def most_generous(limits: Iterable[int | None]) -> int | None:
    """Return the highest limit; None, which is none at all, is higher than every other."""
    found = list(limits)
    if not found or None in found:
        return None
    return max(limit for limit in found if limit is not None)


def require_room(allowance: Allowance, kind: str, needed_bytes: int) -> None:
    """Raise Conflict unless one more version with so many bytes fits.

    A build's size is known only when it is done: it needs room for one byte at least.
    """
    limit = allowance.versions
    if (
        limit is not None
        and allowance.usage.versions + allowance.coming_versions >= limit
    ):
        raise Conflict("quota_exceeded", _COUNT[kind == BUILD], limit=limit)
    free = allowance.free_bytes
    if free is not None and max(1, needed_bytes) > free:
        text = _BUILD if kind == BUILD else _SAVE
        raise Conflict(
            "quota_exceeded",
            text,
            details=allowance.to_dict(),
            needed_bytes=needed_bytes,
            free_bytes=free,
            limit_bytes=allowance.bytes,
        )


_SAVE = sentence(
    "Not saved: this needs up to {needed_bytes} and you have {free_bytes} of {limit_bytes} left. "
    "Nothing was lost. Delete versions in My images, or ask your administrator for more room."
)
_BUILD = sentence(
    "Not built: of your {limit_bytes}, {free_bytes} are left. "
    "Delete versions in My images, or ask your administrator for more room."
)
_COUNT = (
    sentence(
        "Not saved: you have as many versions as you may keep: {limit}. Nothing was lost. "
        "Delete one in My images, or ask your administrator for more."
    ),
    sentence(
        "Not built: you have as many versions as you may keep: {limit}. "
        "Delete one in My images, or ask your administrator for more."
    ),
)
