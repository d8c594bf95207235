"""The pages of one version, and of two side by side."""

from hub_service.handlers.base import READ, needs_scope
from hub_service.handlers.pages import PageHandler
from hub_service.images.comparison import biggest
from hub_service.stores.records import number_of


class VersionPage(PageHandler):
    """What is in a version."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str, number: str) -> None:
        """Show all that is known of it."""
        images = self.services.images
        image = images.seen(self.person, owner, name)
        version = images.version(self.person, owner, name, int(number))
        self.show(
            "version.html",
            image=self.views.image(image),
            version=version.to_dict(),
            names=self.names_of(version),
            findings=self.services.scans.shown(version),
            scans=self.services.scans.enabled,
            numbers=[one.number for one in image.versions],
        )


class ComparePage(PageHandler):
    """Two versions of an image."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str) -> None:
        """Show what differs on the way from one to the other."""
        images = self.services.images
        image = images.seen(self.person, owner, name)
        first, second = [
            number_of(self.get_query_argument(key, "")) or 0 for key in ("from", "to")
        ]
        found = images.compare(self.person, owner, name, first, second)
        self.show(
            "compare.html",
            image=self.views.image(image),
            comparison=found.to_dict(),
            biggest=biggest(found.first, found.second),
            names=self.names_of(found.first, found.second),
            numbers=[one.number for one in image.versions],
        )


default_handlers = [
    (r"images/([^/]+)/([^/]+)/versions/(\d{1,9})", VersionPage),
    (r"images/([^/]+)/([^/]+)/compare", ComparePage),
]
