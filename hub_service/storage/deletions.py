"""Deleting in the registry what the catalogue has forgotten."""

import logging

from hub_service.bell import Bell
from hub_service.errors import PublicError, own_defect
from hub_service.models import QUEUED
from hub_service.stores.discards import Discarded
from hub_service.stores.stores import Stores

log = logging.getLogger(__name__)

INTERVAL = 10.0
"""Seconds between two looks, when nobody deletes."""


class Deletions:
    """The loop that carries deletions out.

    - what a person deletes is forgotten at once, in one transaction, whether the registry
      answers or not: no image is ever left half deleted
    - nothing that a version names is deleted, nor while a job may be about to name it
    - what the registry refuses is tried again
    """

    def __init__(self, stores: Stores) -> None:
        self._discards = stores.discards
        self._jobs = stores.jobs
        self._store = stores.store
        self._bell = Bell()
        self.problem: PublicError | None = None
        """Why what waits is not deleted, for administrators."""

    def wake(self) -> None:
        """Look now."""
        self._bell.ring()

    async def run(self) -> None:
        """Carry out what waits, again and again, until cancelled."""
        while True:
            await self.carry_out()
            await self._bell.wait(INTERVAL)

    async def carry_out(self) -> None:
        """Delete what waits, as far as the registry lets it."""
        problem = None
        for one in self._discards.waiting():
            try:
                await self._delete(one)
            except PublicError as error:
                problem = error
            except Exception:
                # One that cannot be deleted must not hold up the others, nor end the program.
                log.exception("Deleting %s failed by a defect", one)
                problem = own_defect()
        if problem and (not self.problem or problem.code != self.problem.code):
            log.warning("Deletions wait: %s %s", problem, problem.details)
        self.problem = problem

    async def _delete(self, one: Discarded) -> None:
        # A job that has not begun names nothing yet.
        at_work = {
            (job.owner, job.image)
            for job in self._jobs.open()
            if job.attempts or job.state != QUEUED
        }
        if (one.owner, one.image) in at_work:
            return
        if not self._discards.named(one):
            # Once: between two attempts a build might come to name it again.
            await self._store.delete(one.owner, one.image, one.digest, attempts=1)
        self._discards.forget(one)
