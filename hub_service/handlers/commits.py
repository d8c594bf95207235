"""Saving a running desktop."""

from typing import Any

from hub_service.commits import CommitRequest
from hub_service.handlers.base import SAVE, ApiHandler, needs_scope
from hub_service.models import Server


class PreviewHandler(ApiHandler):
    """What a save would take."""

    @needs_scope(SAVE)
    async def post(self) -> None:
        """Return bytes, packages, home and what will be left out."""
        body = self.body("PreviewRequest")
        preview = await self.services.commits.preview(
            self.person,
            server_of(body),
            include_home=body.get("include_home", True),
            exclude=body.get("exclude", ()),
        )
        self.send(preview)


class CommitsHandler(ApiHandler):
    """Begins saves."""

    @needs_scope(SAVE)
    async def post(self) -> None:
        """Begin to save a desktop; the answer is the job."""
        body = self.body("CommitRequest")
        request = CommitRequest(
            server=server_of(body),
            title=title_of(body["image"]),
            description=body.get("description", ""),
            include_home=body.get("include_home", True),
            exclude=body.get("exclude", ()),
            stop_after=body.get("stop_after", False),
            start_test=body.get("start_test", False),
            activate=body.get("activate", True),
        )
        job = await self.services.commits.start(self.person, request)
        self.services.reconciler.wake()
        self.send(self.views.job(job, self._), status=202)


def server_of(body: dict[str, Any]) -> Server:
    """Return the server that a request names."""
    return Server(body["server"]["user"], body["server"].get("name", ""))


def title_of(image: str | dict[str, str]) -> str:
    """Return the title: given as such, or the name of an image that is there already."""
    return image if isinstance(image, str) else image.get("title") or image["name"]


default_handlers = [
    (r"api/v1/commits/preview", PreviewHandler),
    (r"api/v1/commits", CommitsHandler),
]
