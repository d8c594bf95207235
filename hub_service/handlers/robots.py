"""What a pipeline publishes: with a scope that lets it do just that."""

from typing import Any

from hub_service.handlers.base import PUBLISH, ApiHandler, needs_scope
from hub_service.handlers.images import IMAGE, VersionsHandler
from hub_service.pages.views import error_view
from hub_service.publishing.robots import WAITING, Publication


class RobotHandler(ApiHandler):
    """Speaks of publications."""

    def view(self, publication: Publication) -> dict[str, Any]:
        """Return the wire form; the one that asks sees nothing else of the catalogue."""
        job, image = publication.job, publication.image
        error = publication.error and error_view(publication.error, self._)
        return {
            "owner": image.owner,
            "name": image.name,
            "version": publication.version.number,
            "reference": publication.version.reference,
            "published_version": image.published,
            "state": publication.state,
            "job": job.id if job else None,
            "error": error,
        }


class PublishHandler(RobotHandler, VersionsHandler):
    """The versions of an image, and one more that was pushed."""

    @needs_scope(PUBLISH)
    async def post(self, owner: str, name: str) -> None:
        """Make it a version of an image of the hub, and publish that, or try it for later."""
        body = self.body("PushedImage")
        found = await self.services.robots.publish(
            self.current_user["name"], owner, name, body
        )
        status = 202 if found.state == WAITING else 200
        self.send(self.view(found), status=status)


class PublicationStateHandler(RobotHandler):
    """How far it is."""

    @needs_scope(PUBLISH)
    async def get(self, owner: str, name: str, number: str) -> None:
        """Return it."""
        self.send(self.view(self.services.robots.state(owner, name, int(number))))


default_handlers = [
    (rf"{IMAGE}/versions", PublishHandler),
    (rf"{IMAGE}/versions/(\d{{1,9}})/publication", PublicationStateHandler),
]
