"""What a user may start, for the spawner."""

from hub_service.errors import BadRequest, sentence
from hub_service.handlers.base import PROFILES, ApiHandler, needs_scope
from hub_service.models import Person
from hub_service.policy import startable_version

LIMIT = 5000
"""More cards than this help nobody; a hub with more shows the newest."""


class ProfilesHandler(ApiHandler):
    """The images that a user may start now."""

    @needs_scope(PROFILES)
    async def get(self) -> None:
        """List the versions that start for `user`, of all images that they may start."""
        name = self.get_query_argument("user", "")
        if not name:
            raise BadRequest(
                "invalid_request", sentence("Say whose profiles: ?user=NAME.")
            )
        person = await self.services.hub.person(name) or Person(name)
        page = self.services.catalogue.images_seen_by(
            person, startable=True, limit=LIMIT
        )
        items = [
            {
                "owner": image.owner,
                "name": image.name,
                "title": image.title,
                "description": image.description or version.note,
                "version": version.number,
                "reference": version.reference,
                "size": version.size,
                "created": version.created.timestamp(),
                "visibility": image.visibility,
            }
            for image in page.items
            if (version := startable_version(person, image))
        ]
        self.send({"items": items, "next": None})


default_handlers = [(r"api/v1/profiles", ProfilesHandler)]
