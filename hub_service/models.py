"""Image, Version, Job and who asks: plain records without I/O."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = (
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
)
UNFINISHED = (QUEUED, RUNNING)

COMMIT, BUILD, START_TEST = "commit", "build", "start-test"

PRIVATE, SHARED, PUBLISHED = "private", "shared", "published"
VISIBILITIES = (PRIVATE, SHARED, PUBLISHED)

OPEN, APPROVED, REFUSED = "open", "approved", "refused"
DECISIONS = (APPROVED, REFUSED)


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
    start_test: dict[str, Any] | None = None
    """`passed`, `at`, `seconds` and `job` of the last time it was tried; None = never yet."""

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
            "start_test": self.start_test,
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

    @property
    def active_version(self) -> Version | None:
        """The version that starts."""
        return self.version(self.active) if self.active is not None else None

    @property
    def published_version(self) -> Version | None:
        """The version that everybody but the owner starts."""
        return self.version(self.published) if self.published is not None else None

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
    """A commit, a build or a start-test under way, and afterwards what became of it."""

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
