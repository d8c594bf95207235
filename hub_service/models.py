"""Image, Version, Job and who asks: plain records without I/O."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = (
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
)
UNFINISHED = (QUEUED, RUNNING)

COMMIT, BUILD, START_TEST, SCAN = "commit", "build", "start-test", "scan"
JOB_KINDS = (COMMIT, BUILD, START_TEST, SCAN)
TRIALS = (START_TEST, SCAN)
"""The kinds that make no version, but look at one before it is published."""

SCANNED, OUTDATED, NOT_SCANNED = "scanned", "outdated", "not-scanned"
SCAN_LIFE = timedelta(days=7)
"""How long what a scan found is called known: new vulnerabilities come to light every day."""

PRIVATE, SHARED, PUBLISHED = "private", "shared", "published"
VISIBILITIES = (PRIVATE, SHARED, PUBLISHED)

OPEN, APPROVED, REFUSED = "open", "approved", "refused"
DECISIONS = (APPROVED, REFUSED)


def moment(value: datetime | None) -> str | None:
    """Return the wire's form of a moment that may not have been."""
    return value.isoformat() if value else None


@dataclass(frozen=True)
class Server:
    """A running server of JupyterHub; the default server's name is empty."""

    user: str
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form."""
        return {"user": self.user, "name": self.name}


@dataclass(frozen=True)
class Person:
    """Who makes a request, as JupyterHub identified them."""

    name: str
    groups: frozenset[str] = frozenset()
    admin: bool = False
    """Holds the scope custom:desktops:admin."""
    session: Server | None = None
    """The one desktop that may be saved: a program in it asks. None = all of the person's."""


@dataclass(frozen=True)
class Version:
    """One immutable result of an image."""

    number: int
    digest: str
    reference: str
    """What a pod starts: repository and digest."""
    note: str
    """What's new, in the owner's words."""
    created: datetime
    size: int
    """Compressed bytes of the whole image."""
    new_bytes: int
    """Compressed bytes of the layers that this version added."""
    layers: int
    base: dict[str, Any]
    """`name` and `digest` of the image that the session ran."""
    origin: dict[str, Any]
    """`name` and `digest` of the first image that was not a save."""
    details: dict[str, Any] = field(default_factory=dict)
    """What the save found: packages, biggest paths, what was left out, seconds."""
    last_started: datetime | None = None
    start_test: dict[str, Any] | None = None
    """`passed`, `at`, `seconds` and `job` of the last time it was tried; None = never yet."""

    scan: dict[str, Any] | None = None
    """What the last scan for vulnerabilities found; None = never tried (scans/result.py)."""

    @property
    def scan_state(self) -> str:
        """Say whether its vulnerabilities are known: nothing old or failed counts as known."""
        scan = self.scan or {}
        if not scan.get("at"):
            return NOT_SCANNED
        age = datetime.now(UTC) - datetime.fromisoformat(scan["at"])
        return OUTDATED if scan["failed"] or age > SCAN_LIFE else SCANNED

    @property
    def own_layers(self) -> dict[str, int]:
        """Digest and compressed bytes of what it brought; one layer where nobody told."""
        return self.details.get("new_layers") or {self.digest: self.new_bytes}

    @property
    def passed(self) -> bool:
        """True when its desktop was seen to come up."""
        return bool(self.start_test and self.start_test["passed"])

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form."""
        return {
            "number": self.number,
            "digest": self.digest,
            "reference": self.reference,
            "note": self.note,
            "created": self.created.isoformat(),
            "size": self.size,
            "new_bytes": self.new_bytes,
            "layers": self.layers,
            "base": self.base,
            "origin": self.origin,
            "details": self.details,
            "last_started": moment(self.last_started),
            "start_test": self.start_test,
            "scan": {**self.scan, "state": self.scan_state} if self.scan else None,
        }


@dataclass(frozen=True)
class Picture:
    """What a desktop looked like when it was tried."""

    media_type: str
    data: bytes


@dataclass(frozen=True)
class Image:
    """A named entry of the catalogue with its versions, newest first."""

    owner: str
    name: str
    title: str
    description: str
    visibility: str
    active: int | None
    """Number of the active version; None until the first version is ready."""
    published: int | None
    """Number of the version that an administrator let everybody start; None = not published."""
    created: datetime
    kubeflow: bool = False
    """In the form of Kubeflow's spawner too, while it is published."""
    shared_users: frozenset[str] = frozenset()
    shared_groups: frozenset[str] = frozenset()
    versions: tuple[Version, ...] = ()
    icon: str = "desktop"
    tags: tuple[str, ...] = ()
    position: int | None = None
    """Its place on the spawn page; None comes after all that have one."""
    limits: dict[str, Any] = field(default_factory=dict)
    """Some of `cpu` (cores), `memory` (bytes) and `gpu`, for everybody who starts it."""
    last_started: datetime | None = None

    @property
    def bytes(self) -> int:
        """Compressed bytes that the versions brought; what they share is counted once."""
        layers: dict[str, int] = {}
        for version in self.versions:
            layers |= version.own_layers
        return sum(layers.values())

    @property
    def active_version(self) -> Version | None:
        """The version that starts."""
        return self.version(self.active) if self.active is not None else None

    @property
    def published_version(self) -> Version | None:
        """The version that everybody but the owner starts."""
        return self.version(self.published) if self.published is not None else None

    @property
    def unpublished(self) -> str:
        """Its visibility when it is published no more: those whom it names keep it."""
        return SHARED if self.shared_users or self.shared_groups else PRIVATE

    def version(self, number: int) -> Version | None:
        """Return the version of that number."""
        return next((one for one in self.versions if one.number == number), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form, without the versions that are not active."""
        active = self.active_version
        return {
            "owner": self.owner,
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "visibility": self.visibility,
            "shared_with": {
                "users": sorted(self.shared_users),
                "groups": sorted(self.shared_groups),
            },
            "created": self.created.isoformat(),
            "versions": len(self.versions),
            "active_version": active.to_dict() if active else None,
            "published_version": self.published,
            "icon": self.icon,
            "tags": list(self.tags),
            "position": self.position,
            "limits": self.limits,
            "last_started": moment(self.last_started),
            "kubeflow": self.kubeflow,
        }


@dataclass(frozen=True)
class PublicationRequest:
    """A person's wish that everybody may start a version of their image, and its answer."""

    id: int
    image: Image
    number: int
    note: str
    """Why, in the owner's words."""
    state: str
    asked: datetime
    decided: datetime | None
    decided_by: str
    reason: str
    """The administrator's words to the owner."""

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form."""
        version = self.image.version(self.number)
        return {
            "id": self.id,
            "image": self.image.to_dict(),
            "version": version.to_dict() if version else None,
            "note": self.note,
            "state": self.state,
            "asked": self.asked.isoformat(),
            "decided": self.decided.isoformat() if self.decided else None,
            "decided_by": self.decided_by,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Act:
    """One line of the audit: who did what to which image."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    details: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "actor": self.actor,
            "action": self.action,
            "target": self.target,
            "details": self.details,
        }


@dataclass(frozen=True)
class Job:
    """A commit, a build, a start-test or a scan under way, and afterwards what became of it."""

    id: str
    kind: str
    state: str
    owner: str
    server: Server
    image: str
    title: str
    number: int
    request: dict[str, Any]
    """What was asked; of a commit also the pod's uid, of a build the Dockerfile, of a start-test
    what is published when it passes."""
    progress: dict[str, Any]
    """The last word of whoever does it: step, steps, bytes_done, bytes_total, rate."""
    error: dict[str, Any] | None
    result: dict[str, Any] | None
    """The version that was made; while the job runs on, that version is being tried."""
    attempts: int
    """How often the work was begun."""
    silent_since: datetime | None
    """Since when the part that should answer does not."""
    cancel: bool
    """Somebody asked for its end."""
    created: datetime
    started: datetime | None
    ended: datetime | None
    settled: bool
    """What belongs to its end is done: the desktop stopped if asked, nothing left behind."""

    @property
    def unfinished(self) -> bool:
        """True until the job reached its end."""
        return self.state in UNFINISHED


@dataclass(frozen=True)
class Cleanup:
    """A clean-up of the image store: what nothing names any more is removed from its disk."""

    id: int
    state: str
    asked_by: str
    """Empty = the nightly one."""
    created: datetime
    started: datetime | None
    ended: datetime | None
    bytes_before: int | None
    """What the image store took on its disk."""
    bytes_after: int | None
    error: dict[str, Any] | None

    @property
    def unfinished(self) -> bool:
        """True until it reached its end."""
        return self.state in UNFINISHED
