"""The page behind every link that starts an image: it asks where another version still runs."""

from hub_service.handlers.base import READ, WRITE, needs_scope
from hub_service.handlers.pages import PageHandler
from hub_service.starting import Start


class StartPage(PageHandler):
    """Start an image."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str) -> None:
        """Lead to the hub, or to the desktop that runs; ask when that is another version."""
        start = await self.services.starting.look(self.person, owner, name)
        if start.running is None or not start.running.ready:
            self.redirect(self._spawn(start))
        elif start.same:
            self.redirect(start.running.url)
        else:
            self.show("start.html", start=start)

    @needs_scope(WRITE)
    async def post(self, owner: str, name: str) -> None:
        """Stop what runs, and start the version that was meant."""
        start = await self.services.starting.look(self.person, owner, name)
        if start.running is not None and not start.same:
            await self.services.starting.stop(start.server)
        self.redirect(self._spawn(start))

    def _spawn(self, start: Start) -> str:
        return self.views.spawn(start.server.user, start.image.owner, start.image.name)


hub_handlers = [(r"start/([^/]+)/([^/]+)", StartPage)]
