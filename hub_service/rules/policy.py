"""Who may see, start, save and change what (pure)."""

from dataclasses import replace

from hub_service.errors import Forbidden, NotFound, sentence
from hub_service.models import PUBLISHED, SHARED, Image, Job, Person, Server, Version

OWNERS_DETAILS = ("left_out", "changed_while_saved", "dockerfile")
"""What of a version's details its owner and administrators see alone."""


def may_start(person: Person, image: Image) -> bool:
    """Say whether a person may start an image: their own, shared with them, or published."""
    if person.name == image.owner or image.visibility == PUBLISHED:
        return True
    return image.visibility == SHARED and (
        person.name in image.shared_users or bool(person.groups & image.shared_groups)
    )


def startable_version(person: Person, image: Image) -> Version | None:
    """Return the version that starts for a person who may start the image.

    What is published is the version that an administrator has seen: the owner alone starts
    the newer ones.
    """
    if image.visibility == PUBLISHED and person.name != image.owner:
        return image.published_version
    return image.active_version


def may_try(person: Person, image: Image) -> bool:
    """Say whether a person may start any version, active or not: its owner, and nobody else."""
    return bool(person.name) and person.name == image.owner


def as_seen_by(person: Person, image: Image) -> Image:
    """Return the image as a person may see it.

    Its owner and administrators see all; others the one version that starts for them, without
    the names of files that are not in it, and not with whom else it is shared.
    """
    if person.admin or person.name == image.owner:
        return image
    version = startable_version(person, image)
    if version:
        shown = {k: v for k, v in version.details.items() if k not in OWNERS_DETAILS}
        version = replace(version, details=shown)
    return replace(
        image,
        versions=(version,) if version else (),
        active=version.number if version else None,
        shared_users=frozenset(),
        shared_groups=frozenset(),
    )


def may_see(person: Person, image: Image) -> bool:
    """Say whether a person may know of an image; administrators know of all."""
    return person.admin or may_start(person, image)


def require_seen(person: Person, image: Image | None, owner: str, name: str) -> Image:
    """Return the image, or raise NotFound: whether a hidden image exists is not told."""
    if image is None or not may_see(person, image):
        raise NotFound(
            "image_not_found",
            sentence("There is no image {owner}/{name}, or it is not shared with you."),
            owner=owner,
            name=name,
        )
    return image


def require_changed_by(person: Person, image: Image) -> None:
    """Raise Forbidden unless the person owns the image or is an administrator."""
    if person.name != image.owner and not person.admin:
        raise Forbidden(
            "not_owner",
            sentence("Only {owner} or an administrator can change this image."),
            owner=image.owner,
        )


def require_publisher(person: Person) -> None:
    """Raise Forbidden unless the person may offer an image to the whole hub."""
    if not person.admin:
        raise Forbidden(
            "not_publisher",
            sentence(
                "Only an administrator can publish an image for everybody. Ask one to do it."
            ),
        )


def require_limiter(person: Person) -> None:
    """Raise Forbidden unless the person may decide what desktops of an image may use."""
    if not person.admin:
        raise Forbidden(
            "not_limiter",
            sentence("Only an administrator decides how much a desktop may use."),
        )


def require_own_server(person: Person, server: Server) -> None:
    """Raise Forbidden unless the server is the person's own.

    Administrators are no exception: a save reads the files of a person's home.
    """
    if person.name != server.user:
        raise Forbidden(
            "not_your_server",
            sentence("This desktop belongs to {user}: only {user} can save it."),
            user=server.user,
        )
    if person.session not in (None, server):
        raise Forbidden(
            "not_this_server",
            sentence(
                "A program in a desktop can save that desktop only. Save this one from its own "
                "window or from the hub's page."
            ),
        )


def require_own_job(person: Person, job: Job | None) -> Job:
    """Return the job, or raise NotFound when it is somebody else's."""
    if job is None or (person.name != job.owner and not person.admin):
        raise NotFound(
            "job_not_found", sentence("There is no such job, or it is not yours.")
        )
    return job


def require_cancelled_by(person: Person, job: Job) -> None:
    """Raise Forbidden when a program in a desktop would cancel what is not that desktop's."""
    if person.session not in (None, job.server):
        raise Forbidden(
            "not_this_server",
            sentence(
                "A program in a desktop can cancel the saves of that desktop only."
            ),
        )
