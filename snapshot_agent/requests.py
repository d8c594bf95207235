"""The bodies of requests, read and checked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from oci.errors import InvalidReference
from oci.names import is_image_name
from oci.reference import Reference
from snapshot_agent.errors import BadRequest

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MOST_EXCLUDED = 1000
_MOST_WANTED = 1000


@dataclass(frozen=True)
class PreviewRequest:
    """What of which desktop; never where it is.

    The image is `owner`'s, the pod `pod_owner`'s: for a session of JupyterHub the same person.
    """

    pod_uid: str
    container: str
    owner: str
    pod_owner: str
    include_home: bool
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class CommitRequest(PreviewRequest):
    """A preview's fields, and what the image will be called."""

    id: str
    image: str
    number: int
    title: str
    description: str
    room: int | None = None
    """So many bytes may come on top of what a preview says; None = as many as there are."""


@dataclass(frozen=True)
class WantedImage:
    """An image that should be on the node before somebody starts it; its packed bytes."""

    reference: str
    size: int


def wanted_images(body: Any, root: str) -> list[WantedImage]:
    """Read the list of images to fetch; BadRequest for one that is not ours, or has no digest.

    `root` is what every reference of our registry begins with.
    """
    found = body.get("images") if isinstance(body, dict) else None
    if not isinstance(found, list) or len(found) > _MOST_WANTED:
        raise BadRequest("The field 'images' must be a list.", field="images")
    return [_wanted(one, root) for one in found]


def _wanted(one: Any, root: str) -> WantedImage:
    if not isinstance(one, dict):
        raise wrong("images", "must hold objects")
    name, size = own_image(one, root), one.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise wrong("size", "must be a number of bytes")
    return WantedImage(name, size)


def own_image(body: dict[str, Any], root: str) -> str:
    """The field `reference`: an image below `root`, by its digest."""
    name = text(body, "reference", 600)
    try:
        reference = Reference.parse(name)
    except InvalidReference as error:
        raise wrong("reference", "is no image reference") from error
    if not name.startswith(root) or reference.digest is None:
        raise wrong("reference", "must be an image of our registry, by its digest")
    return name


def preview_request(body: Any) -> PreviewRequest:
    """Read a preview's body; BadRequest names the field that is wrong."""
    return PreviewRequest(**_common(body))


def commit_request(body: Any) -> CommitRequest:
    """Read a commit's body; BadRequest names the field that is wrong."""
    common = _common(body)
    image, number = text(body, "image", 63), body.get("number")
    if not is_image_name(image):
        raise wrong(
            "image", "must be a name of lower-case letters, digits and single dashes"
        )
    if (
        not isinstance(number, int)
        or isinstance(number, bool)
        or not 1 <= number < 10**9
    ):
        raise wrong("number", "must be a whole number from 1")
    return CommitRequest(
        **common,
        id=match(body, "id", ID),
        image=image,
        number=number,
        title=text(body, "title", 500, empty=True),
        description=text(body, "description", 10_000, empty=True),
        room=count(body, "room"),
    )


def choice(body: dict[str, Any]) -> tuple[bool, tuple[str, ...]]:
    """Whether the home is included, and which paths are not."""
    home, exclude = body.get("include_home", True), body.get("exclude", [])
    if not isinstance(home, bool):
        raise wrong("include_home", "must be true or false")
    valid = isinstance(exclude, list) and len(exclude) <= _MOST_EXCLUDED
    if not valid or any(not _is_path(path) for path in exclude):
        raise wrong("exclude", "must be a list of absolute paths")
    return home, tuple(exclude)


def _common(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest("The request must be a JSON object.")
    home, exclude = choice(body)
    owner = text(body, "owner", 1000)
    return {
        "pod_uid": match(body, "pod_uid", ID),
        "container": match(body, "container", ID),
        "owner": owner,
        "pod_owner": text(body, "pod_owner", 1000) if "pod_owner" in body else owner,
        "include_home": home,
        "exclude": exclude,
    }


def _is_path(path: Any) -> bool:
    return isinstance(path, str) and path.startswith("/") and len(path) <= 4096


def match(body: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    """A field that has a pattern."""
    value = body.get(name)
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise wrong(name, "is missing or not valid")
    return value


def text(body: dict[str, Any], name: str, longest: int, empty: bool = False) -> str:
    """A field that has a longest length."""
    value = body.get(name, "" if empty else None)
    if not isinstance(value, str) or len(value) > longest or not (value or empty):
        raise wrong(name, f"must be a text of at most {longest} characters")
    return value


def count(body: dict[str, Any], name: str) -> int | None:
    """A field that is a number of things, or not there."""
    value = body.get(name)
    if value is None:
        return None
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not 0 <= value < 1 << 63
    ):
        raise wrong(name, "must be a whole number from 0")
    return value


def wrong(name: str, what: str) -> BadRequest:
    """What to raise about a field."""
    return BadRequest(f"The field {name!r} {what}.", field=name)
