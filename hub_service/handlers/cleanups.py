"""The image store's disk: what it takes, and freeing what nothing names any more."""

from typing import Any

from hub_service.handlers.base import ADMIN, ApiHandler, needs_scope
from hub_service.handlers.images import API
from hub_service.handlers.pages import PageHandler
from hub_service.pages.views import public_error_view


class CleanupsHandler(ApiHandler):
    """Clean-ups of the image store."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List the latest, newest first."""
        found = self.services.cleanup_store.latest()
        self.send(
            {"items": [self.views.cleanup(one, self._) for one in found], "next": None}
        )

    @needs_scope(ADMIN)
    async def post(self) -> None:
        """Ask for one."""
        cleanup = self.services.cleanups.ask(self.current_user["name"])
        self.send(self.views.cleanup(cleanup, self._), status=202)


class StoragePage(PageHandler):
    """The administrators' page about the disk."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """Show the latest clean-ups."""
        found = self.services.cleanup_store.latest()
        known = [one.bytes_after for one in found if one.bytes_after is not None]
        self.show(
            "admin_storage.html",
            cleanups=[self.views.cleanup(one, self._) for one in found],
            unfinished=any(one.unfinished for one in found),
            takes=known[0] if known else None,
            enabled=self.services.cleanups.enabled,
            root=self.services.store.root,
            nodes=self.services.prepulling.nodes,
            waiting=len(self.services.discards.waiting()),
            problem=self._problem(),
        )

    def _problem(self) -> dict[str, Any] | None:
        problem = self.services.deletions.problem
        return public_error_view(problem, self._) if problem else None

    @needs_scope(ADMIN)
    async def post(self) -> None:
        """Ask for one."""
        self.services.cleanups.ask(self.current_user["name"])
        self.redirect(f"{self.services.prefix}admin/storage")


default_handlers = [
    (rf"{API}/cleanups", CleanupsHandler),
    (r"admin/storage", StoragePage),
]
"""The addresses of the image store's disk."""
