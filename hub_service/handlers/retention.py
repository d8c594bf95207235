"""The retention rule: what it would delete, then doing just that."""

from hub_service.handlers.base import ADMIN, ApiHandler, needs_scope

PLANS = r"api/v1/retention-plans"


class PlansHandler(ApiHandler):
    """Dry runs."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List them, newest first."""
        plans = self.services.retention.latest()
        items = [self.views.plan(plan, self._) for plan in plans]
        self.send({"items": items, "next": None})

    @needs_scope(ADMIN)
    async def post(self) -> None:
        """Show what versions would go whose last start is so many days ago."""
        days = self.body("RetentionRule")["days"]
        plan = await self.services.retention.dry_run(self.person, days)
        self.send(self.views.plan(plan, self._), status=201)


class PlanHandler(ApiHandler):
    """One dry run."""

    @needs_scope(ADMIN)
    async def get(self, id: str) -> None:
        """Return it, with what became of each version."""
        self.send(self.views.plan(self.services.retention.plan(int(id)), self._))


class RunHandler(ApiHandler):
    """Carrying a dry run out."""

    @needs_scope(ADMIN)
    async def post(self, id: str) -> None:
        """Delete what it showed and nothing else; what was used meanwhile stays."""
        plan = await self.services.retention.run(self.person, int(id))
        self.send(self.views.plan(plan, self._))


default_handlers = [
    (PLANS, PlansHandler),
    (rf"{PLANS}/(\d{{1,9}})", PlanHandler),
    (rf"{PLANS}/(\d{{1,9}})/run", RunHandler),
]
