"""What the two halves of the agent say to one another. Pure.

api       asks: unprivileged, with the network and the registry's credentials
capture   answers: reads desktops, with containerd's socket, without a network

Each message is read as if the other half were in an attacker's hands: every field has a type, a
pattern and a length, and what can be derived is not in a message at all.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from oci.errors import InvalidReference
from oci.manifest import MANIFEST_LIMIT, Descriptor
from oci.reference import Digest
from snapshot_agent.errors import AgentError, told
from snapshot_agent.requests import ID, choice, count, match, text, wrong

# A manifest's limit for a configuration, and a thousand paths, both with every byte escaped.
MESSAGE_LIMIT = 32 * 1024 * 1024
# No image has more layers.
_MOST_EARLIER = 100

# Of what a capture tells: far more than it does, and little for who keeps it.
_MOST_LISTED = 1000
# A path of 4,096 bytes, each of them written as six characters.
_LONGEST_TEXT = 6 * 4096 + 1
_MOST_PACKAGES = 4 * 1024 * 1024

_SPOOLED = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


class Malformed(Exception):
    """The capture half answered what it never answers."""


@dataclass(frozen=True)
class Place:
    """Which container: the capture half believes it only as far as containerd says the same."""

    pod_uid: str
    container: str
    container_id: str


@dataclass(frozen=True)
class Look:
    """What of a container is looked at, or taken."""

    place: Place
    include_home: bool
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class CaptureRequest(Look):
    """`config` is the configuration of the image below; its digest says whether it is true.

    `earlier` are the layers of this desktop's last save, when the registry still has them.
    `room` bytes may come on top of the desktop's own; None = as many as there are.
    """

    id: str
    config: str
    earlier: tuple[Digest, ...] = ()
    room: int | None = None


@dataclass(frozen=True)
class BaseRecord:
    """What a node knows of the image below a container; `sources` are hosts and repositories."""

    image: str
    config_digest: Digest
    parent: str
    target: Descriptor
    sources: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "image": self.image,
            "config_digest": self.config_digest,
            "parent": self.parent,
            "target": self.target.to_json(),
            "sources": self.sources,
        }


@dataclass(frozen=True)
class EarlierLayer:
    """A layer that the registry has from an earlier save."""

    diff_id: Digest
    digest: Digest
    size: int


@dataclass(frozen=True)
class SpooledLayer:
    """A finished layer: the name of its file in the folder of its save, and its digests."""

    name: str
    diff_id: Digest
    digest: Digest
    size: int


@dataclass(frozen=True)
class Taken:
    """What a capture ends with when it goes well: its layers go on top of the earlier ones.

    All of them take the place of the `joined` uppermost layers of the image.
    """

    earlier: tuple[EarlierLayer, ...]
    layers: tuple[SpooledLayer, ...]
    joined: int
    content_bytes: int
    frozen: float
    changed_while_saved: list[str]
    left_out: list[dict[str, Any]]
    entries: int
    packages: dict[str, Any]
    biggest: list[dict[str, Any]]
    peak_memory: int

    @property
    def all_layers(self) -> list[EarlierLayer | SpooledLayer]:
        """All of them, the lowest first."""
        return [*self.earlier, *self.layers]


@dataclass(frozen=True)
class StepBegins:
    """The desktop is in another step; `total` bytes are expected of it."""

    name: str
    total: int | None


@dataclass(frozen=True)
class StepGoesOn:
    """So many bytes of the step are done; also said when nothing moves, as a sign of life."""

    done: int


@dataclass(frozen=True)
class LayerWritten:
    """A layer is finished, while more is read; it may turn out to be part of no image."""

    layer: SpooledLayer


Event = StepBegins | StepGoesOn | LayerWritten | Taken

_KINDS: dict[
    str, type[StepBegins] | type[StepGoesOn] | type[LayerWritten] | type[Taken]
] = {
    "begins": StepBegins,
    "goes_on": StepGoesOn,
    "written": LayerWritten,
    "taken": Taken,
}


# What api asks, read by the capture half


def place(body: Any) -> Place:
    """The field `place` of a message; BadRequest names the field that is wrong."""
    found = body.get("place") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        raise wrong("place", "must be an object")
    return Place(
        match(found, "pod_uid", ID),
        match(found, "container", ID),
        match(found, "container_id", ID),
    )


def look(body: Any) -> Look:
    where = place(body)
    return Look(where, *choice(body))


def capture_request(body: Any) -> CaptureRequest:
    seen = look(body)
    return CaptureRequest(
        seen.place,
        seen.include_home,
        seen.exclude,
        match(body, "id", ID),
        text(body, "config", MANIFEST_LIMIT),
        _earlier(body),
        count(body, "room"),
    )


def digest(body: Any) -> Digest:
    """The field `digest` of a message."""
    try:
        return Digest(text(body, "digest", 200))
    except InvalidReference as error:
        raise wrong("digest", "is none") from error


def _earlier(body: Any) -> tuple[Digest, ...]:
    found = body.get("earlier", [])
    if not isinstance(found, list) or len(found) > _MOST_EARLIER:
        raise wrong("earlier", "must be a short list")
    return tuple(digest({"digest": one}) for one in found)


# What the capture half answers, read by api


def record(answer: Any) -> BaseRecord:
    """An answer about the image below; Malformed."""
    try:
        return BaseRecord(
            image=str(answer["image"]),
            config_digest=Digest(answer["config_digest"]),
            parent=str(answer["parent"]),
            target=Descriptor.from_json(answer["target"]),
            sources=tuple((str(host), str(name)) for host, name in answer["sources"]),
        )
    except (LookupError, TypeError, ValueError, InvalidReference) as error:
        raise Malformed("no record of an image") from error


def event_line(event: Event | AgentError) -> dict[str, Any]:
    """How an event travels."""
    if isinstance(event, AgentError):
        return {"failed": event.to_dict() | {"status": event.status}}
    [kind] = [name for name, one in _KINDS.items() if isinstance(event, one)]
    return {kind: asdict(event)}


def event(line: Any) -> Event:
    """Read an event; the failure of a capture is raised, as the AgentError that it was."""
    try:
        [(kind, fields)] = line.items()
        if kind == "failed":
            raise told(fields)
        if kind == "taken":
            return _taken(fields)
        if kind == "written":
            return LayerWritten(_layer(fields["layer"]))
        if kind == "begins":
            total = fields["total"]
            return StepBegins(_text(fields["name"]), total and _count(total))
        return {"goes_on": StepGoesOn}[kind](_count(fields["done"]))
    except (
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        InvalidReference,
    ) as error:
        raise Malformed("no event of a capture") from error


def _taken(fields: Any) -> Taken:
    frozen = fields["frozen"]
    if not isinstance(frozen, int | float) or not 0 <= frozen < 1e6:
        raise ValueError("no time")
    return Taken(
        earlier=tuple(_earlier_layer(one) for one in _list(fields["earlier"])),
        layers=tuple(_layer(one) for one in _list(fields["layers"])),
        joined=_count(fields["joined"]),
        content_bytes=_count(fields["content_bytes"]),
        frozen=float(frozen),
        changed_while_saved=[
            _text(one) for one in _list(fields["changed_while_saved"])
        ],
        left_out=[_path(one, "reason") for one in _list(fields["left_out"])],
        entries=_count(fields["entries"]),
        packages=_packages(fields["packages"]),
        biggest=[_path(one) for one in _list(fields["biggest"])],
        peak_memory=_count(fields["peak_memory"]),
    )


def _path(fields: Any, *more: str) -> dict[str, Any]:
    """A path with its bytes, and nothing that was not foreseen."""
    found: dict[str, Any] = {name: _text(fields[name]) for name in ("path", *more)}
    return found | {"bytes": _count(fields["bytes"])}


def _packages(fields: Any) -> dict[str, Any]:
    """What `oci.packages.difference` makes."""
    if not isinstance(fields, dict) or len(json.dumps(fields)) > _MOST_PACKAGES:
        raise ValueError("no packages")
    return fields


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST_LISTED:
        raise ValueError("no short list")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError("no count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError("no short text")
    return value


def _earlier_layer(fields: Any) -> EarlierLayer:
    return EarlierLayer(
        Digest(fields["diff_id"]), Digest(fields["digest"]), _count(fields["size"])
    )


def _layer(fields: Any) -> SpooledLayer:
    name = _text(fields["name"])
    if _SPOOLED.fullmatch(name) is None:
        raise ValueError("no name of a spooled file")
    return SpooledLayer(
        name,
        Digest(fields["diff_id"]),
        Digest(fields["digest"]),
        _count(fields["size"]),
    )
