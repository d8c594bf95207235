"""What a user may start, for the spawner."""

from typing import Any

from hub_service.errors import BadRequest, NotFound, sentence
from hub_service.handlers.base import PROFILES, ApiHandler, needs_scope
from hub_service.models import Image, Person, Version
from hub_service.rules.policy import may_try, startable_version
from hub_service.stores.records import number_of

LIMIT = 5000
"""More cards than this help nobody; a hub with more shows the newest."""


class ProfilesHandler(ApiHandler):
    """The images that a user may start now."""

    @needs_scope(PROFILES)
    async def get(self) -> None:
        """List the versions that start for `user`, of all images that they may start.

        With `version`, such as alice/gis@3, also that one when it is theirs to try.
        """
        name = self.get_query_argument("user", "")
        if not name:
            raise BadRequest(
                "invalid_request", sentence("Say whose profiles: ?user=NAME.")
            )
        person = await self.services.site.person(name) or Person(name)
        page = self.services.catalogue.images_seen_by(
            person, startable=True, limit=LIMIT
        )
        # Those that an administrator put first; the sort leaves the others newest first.
        images = sorted(page.items, key=lambda one: one.position or LIMIT + 1)
        items = [
            self._profile(image, version)
            for image in images
            if (version := startable_version(person, image))
        ]
        items += self._tried(person, self.get_query_argument("version", ""))
        builds = self.services.builds.settings.template is not None
        build = f"{self.services.prefix}build" if builds else None
        self.send({"items": items, "next": None, "build": build})

    def _tried(self, person: Person, wanted: str) -> list[dict[str, Any]]:
        """Return the version that its owner wants to try, whether it is active or not."""
        owner, _, rest = wanted.partition("/")
        name, _, number = rest.rpartition("@")
        image = self.services.catalogue.image(owner, name)
        version = image.version(number_of(number) or 0) if image else None
        if image is None or version is None or not may_try(person, image):
            return []
        return [{**self._profile(image, version), "staged": True}]

    def _profile(self, image: Image, version: Version) -> dict[str, Any]:
        return {
            "owner": image.owner,
            "name": image.name,
            "title": image.title,
            "description": image.description or version.note,
            "version": version.number,
            "reference": version.reference,
            "size": version.size,
            "created": version.created.timestamp(),
            "visibility": image.visibility,
            "icon": image.icon,
            "tags": list(image.tags),
            "limits": image.limits,
            "picture": self.views.picture(image, version),
            "staged": False,
        }


class StartsHandler(ApiHandler):
    """Desktops that start, as the spawner reports them."""

    @needs_scope(PROFILES)
    async def post(self) -> None:
        """Write down that a version starts now: what is never started may go one day."""
        body = self.body("Start")
        image, number = body["image"], body["version"]
        if not self.services.catalogue.note_start(
            image["owner"], image["name"], number
        ):
            raise NotFound(
                "version_not_found",
                sentence("This image has no version {number}."),
                number=number,
            )
        self.send({"image": image, "version": number}, status=201)


default_handlers = [
    (r"api/v1/profiles", ProfilesHandler),
    (r"api/v1/starts", StartsHandler),
]
