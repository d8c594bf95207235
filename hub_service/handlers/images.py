"""Images and versions."""

from hub_service.errors import BadRequest, sentence
from hub_service.handlers.base import ADMIN, READ, WRITE, ApiHandler, needs_scope
from hub_service.models import VISIBILITIES
from hub_service.rules.policy import as_seen_by
from hub_service.stores.records import number_of

API = r"api/v1"
IMAGE = rf"{API}/images/([^/]+)/([^/]+)"


class ImagesHandler(ApiHandler):
    """The images that a person may see."""

    @needs_scope(READ)
    async def get(self) -> None:
        """List images, newest first, a page at a time."""
        visibility = self.get_query_argument("visibility", "")
        if visibility and visibility not in VISIBILITIES:
            raise BadRequest(
                "invalid_request",
                sentence(
                    "{value} is no visibility: choose private, shared or published."
                ),
                value=visibility,
            )
        page = self.services.catalogue.images_seen_by(
            self.person,
            query=self.get_query_argument("q", ""),
            owner=self.get_query_argument("owner", ""),
            visibility=visibility,
            cursor=self.get_query_argument("cursor", ""),
        )
        seen = [as_seen_by(self.person, image) for image in page.items]
        items = [self.views.image(image) for image in seen]
        self.send({"items": items, "next": page.next})


class ImageHandler(ApiHandler):
    """One image."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str) -> None:
        """Return an image."""
        image = self.services.images.seen(self.person, owner, name)
        self.send(self.views.image(image))

    @needs_scope(WRITE)
    async def patch(self, owner: str, name: str) -> None:
        """Change how it looks, who sees it, which version is active, what it may use."""
        changes = self.body("ImageChanges")
        image = self.services.images.change(self.person, owner, name, changes)
        self.services.published_changed()
        wanted = changes.get("published_version", image.published)
        waits = changes.get("visibility", image.visibility) != image.visibility
        status = 202 if waits or wanted != image.published else 200
        self.send(self.views.image(image), status=status)

    @needs_scope(WRITE)
    async def delete(self, owner: str, name: str) -> None:
        """Delete an image with all its versions."""
        freed = self.services.images.delete(self.person, owner, name)
        self.send({"freed_bytes": freed})


class VersionsHandler(ApiHandler):
    """The versions of an image."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str) -> None:
        """List versions, newest first."""
        image = self.services.images.seen(self.person, owner, name)
        self.send(
            {"items": [version.to_dict() for version in image.versions], "next": None}
        )


class VersionHandler(ApiHandler):
    """One version."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str, number: str) -> None:
        """Return a version."""
        version = self.services.images.version(self.person, owner, name, int(number))
        self.send(version.to_dict())

    @needs_scope(WRITE)
    async def delete(self, owner: str, name: str, number: str) -> None:
        """Delete a version that is not the active one."""
        freed = self.services.images.delete_version(
            self.person, owner, name, int(number)
        )
        self.send({"freed_bytes": freed})


class ComparisonHandler(ApiHandler):
    """Two versions side by side."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str) -> None:
        """Return what differs on the way from one version to another."""
        numbers = [
            number_of(self.get_query_argument(key, "")) for key in ("from", "to")
        ]
        if None in numbers:
            raise BadRequest(
                "invalid_request",
                sentence("Say which versions: ?from=NUMBER&to=NUMBER."),
            )
        first, second = [number or 0 for number in numbers]
        found = self.services.images.compare(self.person, owner, name, first, second)
        self.send(found.to_dict())


class SpawnOrderHandler(ApiHandler):
    """Which images come first on the spawn page."""

    @needs_scope(ADMIN)
    async def put(self) -> None:
        """Put images first, in this order; the others follow, newest first."""
        order = [
            (one["owner"], one["name"]) for one in self.body("SpawnOrder")["items"]
        ]
        self.services.catalogue.arrange(self.person.name, order)
        self.send({"items": [{"owner": owner, "name": name} for owner, name in order]})


default_handlers = [
    (rf"{API}/images", ImagesHandler),
    (IMAGE, ImageHandler),
    (rf"{IMAGE}/comparison", ComparisonHandler),
    (rf"{API}/spawn-order", SpawnOrderHandler),
    (rf"{IMAGE}/versions/(\d{{1,9}})", VersionHandler),
]
