"""Deleting versions that nobody has started for long: shown first, then done."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hub_service.clients.site import Site
from hub_service.errors import (
    BadRequest,
    Conflict,
    NotFound,
    PublicError,
    sentence,
)
from hub_service.images.images import Images
from hub_service.models import Person
from hub_service.rules.retention_plan import (
    DELETED,
    KEPT,
    Candidate,
    Item,
    Plan,
    freed_bytes,
)
from hub_service.stores.stores import Stores

MAX_DAYS = 3650
KEPT_EACH = 50
"""So many are deleted before that is written down."""
FRESH = timedelta(days=1)
"""How long what a dry run showed may be carried out: after that nobody remembers it."""


class Retention:
    """The use-case of the retention rule.

    - active and published versions stay, those that wait to be published, and those that run
    - a run deletes nothing that its dry run did not show; what has changed meanwhile stays
    - a run that breaks off is carried on by running the same dry run again
    """

    def __init__(
        self,
        stores: Stores,
        images: Images,
        site: Site,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.clock = clock
        self._plans = stores.retention_plans
        self._images = images
        self._site = site
        self._running: set[int] = set()

    async def dry_run(self, person: Person, days: int) -> Plan:
        """Show what the rule would delete, with the bytes that it would free."""
        if not 1 <= days <= MAX_DAYS:
            raise BadRequest(
                "invalid_request",
                sentence("Choose a number of days from 1 to {limit}."),
                limit=MAX_DAYS,
            )
        found = await self._candidates(days)
        staying = self._plans.layers()
        going = {one.key: staying.pop(one.key) for one in found}
        freed = freed_bytes(going, staying.values())
        items = [Item.of(one, freed[one.key]) for one in found]
        return self._plans.add(person.name, days, items)

    def plan(self, id: int) -> Plan:
        """Return a dry run, or raise NotFound."""
        found = self._plans.get(id)
        if found is None:
            raise NotFound("retention_not_found", sentence("There is no such dry run."))
        return found

    def latest(self) -> list[Plan]:
        """Return the dry runs, newest first."""
        return self._plans.latest()

    async def run(self, person: Person, id: int) -> Plan:
        """Delete what a dry run showed, and say of each version what became of it."""
        plan = self.plan(id)
        if plan.ran is not None:
            raise Conflict(
                "retention_ran",
                sentence("This was carried out already, by {who}."),
                who=plan.ran_by,
            )
        if self.clock() - plan.made > FRESH:
            raise Conflict(
                "retention_old",
                sentence("This list is more than a day old. Look again what would go."),
            )
        if id in self._running:
            raise Conflict(
                "retention_running", sentence("This is being carried out just now.")
            )
        self._running.add(id)
        try:
            items = await self._carry_out(person, plan)
        finally:
            self._running.remove(id)
        return self._plans.finish(person.name, id, items)

    async def _carry_out(self, person: Person, plan: Plan) -> list[Item]:
        """Go through the list; when that breaks off, keep what was done."""
        allowed = {one.key: one.digest for one in await self._candidates(plan.days)}
        items = list(plan.items)
        try:
            for place, item in enumerate(items):
                if item.state != DELETED:
                    known = allowed.get(item.key) == item.digest
                    items[place] = self._delete(person, item, known)
                    if place % KEPT_EACH == KEPT_EACH - 1:
                        self._plans.keep(plan.id, items)
                    # Others are served between two deletions.
                    await asyncio.sleep(0)
        finally:
            self._plans.keep(plan.id, items)
        return items

    def _delete(self, person: Person, item: Item, known: bool) -> Item:
        """Delete a version, or keep it when it is not what was shown any more."""
        try:
            if not known:
                raise Conflict(
                    "version_used",
                    sentence("It was used, changed or deleted meanwhile."),
                )
            self._images.delete_version(person, item.owner, item.name, item.number)
        except PublicError as error:
            return replace(item, state=KEPT, why=error.to_dict())
        return replace(item, state=DELETED, why=None)

    async def _candidates(self, days: int) -> list[Candidate]:
        if not self._site.tells_starts:
            # All of them would look unused.
            raise Conflict(
                "starts_unknown",
                sentence(
                    "Kubeflow does not tell which versions it starts, so nobody knows which are "
                    "unused. Nothing was deleted. Delete versions one by one on their image's page."
                ),
            )
        running = await self._site.images()
        before = self.clock() - timedelta(days=days)
        return [
            one
            for one in self._plans.candidates(before)
            if one.reference not in running
        ]
