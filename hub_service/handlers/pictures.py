"""What a version looked like when it was tried."""

import time

from hub_service.handlers.base import READ, ApiHandler, needs_scope
from hub_service.handlers.images import IMAGE
from hub_service.models import Picture
from hub_service.stores.records import number_of

SECONDS = 86400
"""For which a browser keeps it: a version never changes, and its link is a new one each day."""


class PictureHandler(ApiHandler):
    """The picture of a version, for who may see it, or who has a signed link."""

    async def prepare(self) -> None:
        """A signed link needs no login, so JupyterHub is not asked."""
        if not self.get_query_argument("signature", ""):
            await super().prepare()

    async def get(self, owner: str, name: str, number: str) -> None:
        """Send the picture."""
        signature = self.get_query_argument("signature", "")
        if not signature:
            await self._own(owner, name, number)
            return
        valid = self.services.picture_links.valid(
            owner,
            name,
            int(number),
            until=number_of(self.get_query_argument("until", "")) or 0,
            signature=signature,
            now=time.time(),
        )
        if not valid:
            self.redirect_to_login()
        self._show(self.services.images.signed_picture(owner, name, int(number)))

    @needs_scope(READ)
    async def _own(self, owner: str, name: str, number: str) -> None:
        images = self.services.images
        self._show(images.picture(self.person, owner, name, int(number)))

    def _show(self, picture: Picture) -> None:
        self.set_header("Content-Type", picture.media_type)
        self.set_header("Cache-Control", f"private, max-age={SECONDS}")
        self.finish(picture.data)


default_handlers = [(rf"{IMAGE}/versions/(\d{{1,9}})/picture", PictureHandler)]
