"""The administrators' pages of rules: the spawn page's order, people and quotas, retention."""

import asyncio

from tornado.web import HTTPError

from hub_service.errors import BadRequest, PublicError, Unavailable, sentence
from hub_service.handlers.base import ADMIN, needs_scope, status_of
from hub_service.handlers.pages import PageHandler
from hub_service.models import PUBLISHED, Image, Person
from hub_service.pages.views import public_error_view
from hub_service.rules.quota import ALL, EVERYBODY, KINDS, Quota

LIMIT = 1000
PEOPLE = 50
"""People on one page, those who keep most first: more are found by the search."""
GIGABYTE = 10**9
DAYS = 180


class SpawnOrderPage(PageHandler):
    """Which images everybody sees first."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List published images as the spawn page has them."""
        images = self._images()
        self.show("admin_order.html", images=[image.to_dict() for image in images])

    @needs_scope(ADMIN)
    async def post(self) -> None:
        """Move an image one place up or down."""
        key = self.get_body_argument("owner"), self.get_body_argument("name")
        order = [(image.owner, image.name) for image in self._images()]
        if key not in order:
            raise HTTPError(404)
        place = order.index(key)
        step = {"up": -1, "down": 1}.get(self.get_body_argument("act"), 0)
        order.insert(max(0, place + step), order.pop(place))
        self.services.catalogue.arrange(self.person.name, order)
        self.redirect(f"{self.services.prefix}admin/order")

    def _images(self) -> list[Image]:
        page = self.services.catalogue.images_seen_by(
            self.person, visibility=PUBLISHED, limit=LIMIT
        )
        return sorted(page.items, key=lambda one: one.position or LIMIT + 1)


class PeoplePage(PageHandler):
    """What people keep, and may keep."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List people and rules."""
        await self._show()

    @needs_scope(ADMIN)
    async def post(self) -> None:
        """Make, change or remove a rule; show what is wrong with it."""
        kind = self.get_body_argument("kind")
        name = self.get_body_argument("name", "").strip()
        name = ALL if kind == EVERYBODY else name
        quotas = self.services.quotas
        try:
            if self.get_body_argument("act") == "remove":
                quotas.remove(self.person, kind, name)
            else:
                size, versions = self._figure("gigabytes"), self._figure("versions")
                limit = None if size is None else round(size * GIGABYTE)
                count = None if versions is None else int(versions)
                quotas.put(self.person, Quota(kind, name, limit, count))
        except PublicError as error:
            self.set_status(status_of(error))
            await self._show(public_error_view(error, self._))
            return
        self.redirect(f"{self.services.prefix}admin/people")

    async def _show(self, error: dict[str, object] | None = None) -> None:
        query = self.get_query_argument("q", "")
        usages = self.services.quotas.store.usages(query=query)
        names = list(usages)[:PEOPLE]
        people = await asyncio.gather(*[self._person(name) for name in names])
        rows = [
            {
                "name": person.name,
                "images": usages[person.name].images,
                "allowance": self.services.quotas.allowance(person).to_dict(),
            }
            for person in people
        ]
        self.show(
            "admin_people.html",
            people=rows,
            more=len(usages) - len(rows),
            rules=[rule.to_dict() for rule in self.services.quotas.store.all()],
            kinds=KINDS,
            query=query,
            error=error,
            given={
                key: self.get_body_argument(key, "")
                for key in ("kind", "name", "gigabytes", "versions")
            },
        )

    async def _person(self, name: str) -> Person:
        """Return a person with their groups; without them while the hub does not answer."""
        try:
            return await self.services.site.person(name) or Person(name)
        except Unavailable:
            return Person(name)

    def _figure(self, field: str) -> float | None:
        """Return the number in a field; None when it is empty: no limit."""
        text = self.get_body_argument(field, "").strip().replace(",", ".")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not 0 <= value <= 10**9 or (field == "versions" and value % 1):
            raise BadRequest(
                "invalid_request", sentence("{value} is no number."), value=text[:40]
            )
        return value


class RetentionPage(PageHandler):
    """The retention rule, and what was done by it."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """Ask after how many days versions go; list the last dry runs."""
        self._show()

    @needs_scope(ADMIN)
    async def post(self) -> None:
        """Show what would go."""
        try:
            days = self.form_number("days")
            plan = await self.services.retention.dry_run(self.person, days)
        except PublicError as error:
            self.set_status(status_of(error))
            self._show(public_error_view(error, self._))
            return
        self.redirect(f"{self.services.prefix}admin/retention/{plan.id}")

    def _show(self, error: dict[str, object] | None = None) -> None:
        plans = self.services.retention.latest()
        known = str(plans[0].days if plans else DAYS)
        self.show(
            "admin_retention.html",
            plans=[self.views.plan(plan, self._) for plan in plans],
            days=self.get_body_argument("days", known),
            error=error,
        )


class RetentionPlanPage(PageHandler):
    """One dry run."""

    @needs_scope(ADMIN)
    async def get(self, id: str) -> None:
        """List what would go, or what became of it."""
        self._show(id)

    @needs_scope(ADMIN)
    async def post(self, id: str) -> None:
        """Delete what is listed, and nothing else."""
        try:
            await self.services.retention.run(self.person, int(id))
        except PublicError as error:
            self.set_status(status_of(error))
            self._show(id, public_error_view(error, self._))
            return
        self.redirect(f"{self.services.prefix}admin/retention/{int(id)}")

    def _show(self, id: str, error: dict[str, object] | None = None) -> None:
        plan = self.services.retention.plan(int(id))
        self.show(
            "admin_retention_plan.html",
            plan=self.views.plan(plan, self._),
            error=error,
        )


default_handlers = [
    (r"admin/order", SpawnOrderPage),
    (r"admin/people", PeoplePage),
    (r"admin/retention", RetentionPage),
    (r"admin/retention/(\d{1,9})", RetentionPlanPage),
]
