"""Changing, sharing, rolling back and deleting images."""

from collections.abc import Callable, Iterable
from typing import Any

from hub_service.errors import BadRequest, Conflict, NotFound, sentence
from hub_service.images.comparison import Comparison, compared
from hub_service.models import (
    PRIVATE,
    PUBLISHED,
    TRIALS,
    Image,
    Job,
    Person,
    Picture,
    Version,
)
from hub_service.publishing.publication_tests import PublicationTests
from hub_service.rules.naming import (
    checked_description,
    checked_icon,
    checked_tags,
    checked_title,
)
from hub_service.rules.policy import (
    as_seen_by,
    require_changed_by,
    require_limiter,
    require_publisher,
    require_seen,
)
from hub_service.rules.retention_plan import freed_bytes
from hub_service.stores.stores import Stores


class Images:
    """The use-cases of an image that is there already."""

    def __init__(
        self,
        stores: Stores,
        tests: PublicationTests,
        forgotten: Callable[[], None],
    ) -> None:
        """`forgotten` is called after each deletion: the registry has to follow."""
        self._tests = tests
        self._forgotten = forgotten
        self._catalogue = stores.catalogue
        self._pictures = stores.pictures
        self._jobs = stores.jobs
        self._plans = stores.retention_plans

    def seen(self, person: Person, owner: str, name: str) -> Image:
        """Return an image, or raise NotFound when the person may not see it."""
        image = self._catalogue.image(owner, name)
        return as_seen_by(person, require_seen(person, image, owner, name))

    def version(self, person: Person, owner: str, name: str, number: int) -> Version:
        """Return a version of an image that the person may see."""
        version = self.seen(person, owner, name).version(number)
        if version is None:
            raise _no_version(number)
        return version

    def compare(
        self, person: Person, owner: str, name: str, first: int, second: int
    ) -> Comparison:
        """Return what differs between two versions of an image that the person may see."""
        one = self.version(person, owner, name, first)
        other = self.version(person, owner, name, second)
        lines = [
            self._catalogue.lineage(owner, name, number) for number in (first, second)
        ]
        return compared(owner, (one, other), lines)

    def change(
        self, person: Person, owner: str, name: str, changes: dict[str, Any]
    ) -> Image:
        """Change how it looks, who sees it, which version is active, what it may use.

        - what is to be published, but was never tried, is published once it has passed
        - what is published no more stays with those whom it names, unless the change names others
        """
        image = self.seen(person, owner, name)
        require_changed_by(person, image)
        wanted = {**changes, **_looks(changes)}
        if "limits" in wanted:
            require_limiter(person)
            given = wanted["limits"].items()
            wanted["limits"] = {key: value for key, value in given if value}
        if _unpublished(image, wanted) and "shared_with" not in wanted:
            wanted["visibility"] = image.unpublished
        if wanted.get("visibility", PUBLISHED) != PUBLISHED:
            self._tests.withdraw(image)
        wanted.update(_publication(person, image, wanted))
        if "kubeflow" in wanted:
            require_publisher(person)
        if "active_version" in wanted:
            wanted["active"] = wanted.pop("active_version")
            if image.version(wanted["active"]) is None:
                raise _no_version(wanted["active"])
        shared = wanted.pop("shared_with", {})
        wanted.update({f"shared_{kind}": set(names) for kind, names in shared.items()})
        self._try_first(person, image, wanted)
        if not wanted:
            return image
        return self._catalogue.change(person.name, owner, name, **wanted)

    def picture(self, person: Person, owner: str, name: str, number: int) -> Picture:
        """Return what a version looked like when it was tried, to who may see the version."""
        return self.shown(self.version(person, owner, name, number))

    def shown(self, version: Version) -> Picture:
        """Return a version's picture, or raise NotFound."""
        picture = self._pictures.get(version.digest)
        if picture is None:
            raise NotFound(
                "picture_not_found",
                sentence("Version {number} has no picture: it was not tried yet."),
                number=version.number,
            )
        return picture

    def signed_picture(self, owner: str, name: str, number: int) -> Picture:
        """Return the same to who has a signed link."""
        image = self._catalogue.image(owner, name)
        version = image.version(number) if image else None
        if version is None:
            raise _no_version(number)
        return self.shown(version)

    def delete(self, person: Person, owner: str, name: str) -> int:
        """Delete an image with all versions; return the bytes that nothing else uses."""
        image = self.seen(person, owner, name)
        require_changed_by(person, image)
        if image.visibility == PUBLISHED and not person.admin:
            raise Conflict(
                "image_published",
                sentence(
                    "Everybody starts this image. Ask an administrator to unpublish it first."
                ),
            )
        self._refuse_during_save(image)
        freed = self.freed_by(image, *image.versions)
        self._catalogue.remove_image(person.name, owner, name)
        self._forgotten()
        return freed

    def delete_version(self, person: Person, owner: str, name: str, number: int) -> int:
        """Delete a version that is not the active one; return the bytes that nothing else uses."""
        image = self.seen(person, owner, name)
        require_changed_by(person, image)
        version = self.version(person, owner, name, number)
        if image.active == number:
            raise Conflict(
                "version_active",
                sentence(
                    "Version {number} is the one that starts. Make another one active first, "
                    "or delete the whole image."
                ),
                number=number,
            )
        if image.published == number:
            raise Conflict(
                "version_published",
                sentence(
                    "Version {number} is the one that everybody starts. An administrator can "
                    "publish another one first."
                ),
                number=number,
            )
        self._refuse_during_save(image)
        freed = self.freed_by(image, version)
        self._catalogue.remove_version(person.name, owner, name, number)
        self._forgotten()
        return freed

    def freed_by(self, image: Image, *versions: Version) -> int:
        """Return the bytes that nothing else uses once these versions of an image are gone."""
        staying = self._plans.layers()
        keys = [(image.owner, image.name, one.number) for one in versions]
        going = {key: staying.pop(key) for key in keys}
        return sum(freed_bytes(going, staying.values()).values())

    def taken_by(self, images: Iterable[Image]) -> int:
        """Return the bytes of images with all they stand on; what they share is counted once."""
        names = {(one.owner, one.name) for one in images}
        layers: dict[str, int] = {}
        for (owner, name, _), found in self._plans.layers().items():
            layers |= found if (owner, name) in names else {}
        return sum(layers.values())

    def test_of(self, image: Image, number: object) -> Job | None:
        """Return the start-test that a publication waits for."""
        if not isinstance(number, int) or image.published == number:
            return None
        return self._tests.of(image.owner, image.name, number)

    def _try_first(self, person: Person, image: Image, wanted: dict[str, Any]) -> None:
        """Take the publication out of the changes while its version must be tried.

        Raise Conflict when it was, and may not be published.
        """
        version = image.version(wanted.get("published") or 0)
        if version and self._tests.needed(version):
            self._tests.ask(image, version.number, {"by": person.name})
            del wanted["published"], wanted["visibility"]
        elif version:
            self._tests.require_allowed(version)

    def _refuse_during_save(self, image: Image) -> None:
        for job in self._jobs.unfinished():
            if (job.owner, job.image) == (image.owner, image.name):
                if job.kind in TRIALS:
                    raise Conflict(
                        "image_being_tried",
                        sentence(
                            "This image is being tried just now. Wait for it, then delete."
                        ),
                        details={"job": job.id},
                    )
                raise Conflict(
                    "image_being_saved",
                    sentence(
                        "A new version of this image is being saved. Wait for it, then delete."
                    ),
                    details={"job": job.id},
                )


def _looks(changes: dict[str, Any]) -> dict[str, Any]:
    """Return what people see of an image, checked."""
    checks: dict[str, Callable[[Any], Any]] = {
        "title": checked_title,
        "description": checked_description,
        "icon": checked_icon,
        "tags": checked_tags,
    }
    return {key: checks[key](changes[key]) for key in checks if key in changes}


def _publication(
    person: Person, image: Image, wanted: dict[str, Any]
) -> dict[str, Any]:
    """Return what a change of visibility means for the version that everybody starts."""
    number = wanted.pop("published_version", None)
    visibility = wanted.get("visibility", image.visibility)
    if number is None and visibility == image.visibility:
        return {}
    if number is not None or PUBLISHED in (visibility, image.visibility):
        require_publisher(person)
    if number is None and visibility != PUBLISHED:
        return {"published": None}
    chosen = image.active if number is None else number
    if chosen is None or image.version(chosen) is None:
        raise _no_version(chosen)
    return {"visibility": PUBLISHED, "published": chosen}


def _unpublished(image: Image, wanted: dict[str, Any]) -> bool:
    """Say whether a change takes an image from everybody."""
    return (image.visibility, wanted.get("visibility")) == (PUBLISHED, PRIVATE)


def _no_version(number: object) -> NotFound | BadRequest:
    return NotFound(
        "version_not_found",
        sentence("This image has no version {number}."),
        number=number,
    )
