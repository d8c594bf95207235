"""How much people may keep."""

from hub_service.handlers.base import ADMIN, READ, ApiHandler, needs_scope
from hub_service.rules.quota import Quota

API = r"api/v1"


class OwnQuotaHandler(ApiHandler):
    """What I keep, and may keep."""

    @needs_scope(READ)
    async def get(self) -> None:
        """Return the figures of who asks."""
        self.send(self.services.quotas.allowance(self.person).to_dict())


class QuotasHandler(ApiHandler):
    """The rules."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List the rules of users, groups and everybody."""
        rules = self.services.quotas.store.all()
        self.send({"items": [rule.to_dict() for rule in rules], "next": None})


class QuotaHandler(ApiHandler):
    """One rule."""

    @needs_scope(ADMIN)
    async def put(self, kind: str, name: str) -> None:
        """Make or change it."""
        body = self.body("QuotaLimits")
        quota = Quota(kind, name, body.get("bytes"), body.get("versions"))
        self.send(self.services.quotas.put(self.person, quota).to_dict())

    @needs_scope(ADMIN)
    async def delete(self, kind: str, name: str) -> None:
        """Remove it."""
        self.services.quotas.remove(self.person, kind, name)
        self.send({"kind": kind, "name": name})


default_handlers = [
    (rf"{API}/quota", OwnQuotaHandler),
    (rf"{API}/quotas", QuotasHandler),
    (rf"{API}/quotas/(user|group|everybody)/([^/]+)", QuotaHandler),
]
