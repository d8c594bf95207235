"""What people call the images that versions and desktops were started from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub_service.models import Person
from hub_service.rules.policy import may_see
from hub_service.stores.catalogue import Catalogue


@dataclass(frozen=True)
class Origin:
    """An image in words."""

    title: str
    number: int | None = None
    """Of an image of the catalogue, the version."""


class Origins:
    """Finds the words for references.

    - the catalogue's title is told to who may see that image
    - of the tested images it is the title on their cards
    - of all others it is the end of the reference, without the registry
    """

    def __init__(
        self,
        catalogue: Catalogue,
        bases: Mapping[str, str],
        titles: Mapping[str, str],
    ) -> None:
        """`bases` has the tested images by their short names, `titles` those names' titles."""
        self._catalogue = catalogue
        self._bases = bases
        self._titles = titles

    def known(
        self, person: Person, images: Iterable[Mapping[str, Any]]
    ) -> dict[str, Origin]:
        """Return what each of these images, of which each has name and digest, is called."""
        digests = {one["name"]: _digest(one) for one in images if one.get("name")}
        found: dict[str, Origin] = {}
        for image in self._catalogue.images_with([*filter(None, digests.values())]):
            if may_see(person, image):
                for version in image.versions:
                    named = Origin(image.title, version.number)
                    found.setdefault(version.digest, named)
        return {
            name: found.get(digest) or Origin(self._title(name))
            for name, digest in digests.items()
        }

    def _title(self, reference: str) -> str:
        name = short_name(reference, self._bases)
        return self._titles.get(name, name)


def short_name(reference: str, bases: Mapping[str, str]) -> str:
    """Return the shortest name of an image that its reference alone tells.

    The registry's host differs between who pushes and who pulls; a tested image of before has
    another tag.
    """
    path = _path(reference)
    same = [slug for slug, image in bases.items() if _path(image) == path]
    near = [
        slug
        for slug, image in bases.items()
        if _untagged(image) == _untagged(reference)
    ]
    if same or len(near) == 1:
        return (same or near)[0]
    return path.rpartition("/")[2]


def _digest(image: Mapping[str, Any]) -> str:
    return str(image.get("digest") or image["name"].partition("@")[2])


def _path(reference: str) -> str:
    """Return a reference without registry and digest."""
    name = reference.partition("@")[0]
    host, slash, path = name.partition("/")
    return path if slash and (set(".:") & set(host) or host == "localhost") else name


def _untagged(reference: str) -> str:
    return _path(reference).partition(":")[0]
