"""Deleting in the registry what the catalogue has forgotten."""

import logging

from hub_service.bell import Bell
from hub_service.errors import PublicError
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
        for one in self._discards.waiting():
            try:
                await self._delete(one)
            except PublicError as error:
                log.warning(
                    "%s/%s %s stays for now: %s %s",
                    *(one.owner, one.image, one.digest, error, error.details),
                )
                return

    async def _delete(self, one: Discarded) -> None:
        open_jobs = {(job.owner, job.image) for job in self._jobs.open()}
        if (one.owner, one.image) in open_jobs:
            return
        if not self._discards.named(one):
            await self._store.delete(one.owner, one.image, one.digest)
        self._discards.forget(one)
