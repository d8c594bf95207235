"""The one loop that brings every unfinished job to its end, also after a restart."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from hub_service.bell import Bell
from hub_service.building.builds import Builds
from hub_service.commits import Commits
from hub_service.errors import PublicError, Unavailable, sentence
from hub_service.jobs.advancing import end, stamped
from hub_service.jobs.events import JobFeed
from hub_service.models import FAILED, Job
from hub_service.publishing.publication_tests import PublicationTests
from hub_service.stores.job_store import JobStore

log = logging.getLogger(__name__)

STUBBORN = timedelta(minutes=15)
"""How long what belongs to a job's end is tried again while a part does not answer."""
PAUSE = 2.0
"""Seconds between the first two such attempts."""


class Reconciler:
    """Advances all unfinished jobs, again and again.

    - what is unfinished is read from the database each time: after a restart nothing
      has to be remembered
    - a job that cannot be advanced by a defect of ours ends as failed: nothing waits for ever
    - what belongs to a job's end is done too, also when this program stopped right after the end
    - one slow job does not hold up the others
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        uses: Mapping[str, Commits | Builds | PublicationTests],
        feed: JobFeed,
        interval: float,
        ended: Callable[[Job], None],
        settled: Callable[[], None],
    ) -> None:
        """`ended` hears of each end, `settled` of each one that is followed up."""
        self._jobs = jobs
        self._uses = uses
        self._feed = feed
        self._interval = interval
        self._ended = ended
        self._settled = settled
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._bell = Bell()

    def wake(self) -> None:
        """Look at the jobs now instead of at the next turn."""
        self._bell.ring()

    async def run(self) -> None:
        """Go on until cancelled; then end the tasks that this loop began."""
        try:
            while True:
                self._turn()
                await self._bell.wait(self._interval)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def _turn(self) -> None:
        for job in self._jobs.open():
            if job.id not in self._busy:
                self._busy[job.id] = asyncio.create_task(
                    self._advance(job), name=f"job {job.id}"
                )

    async def _advance(self, job: Job) -> None:
        try:
            if job.unfinished:
                job = await self._advance_once(job)
            if not job.unfinished:
                await self._follow_up(job)
        finally:
            del self._busy[job.id]

    async def _advance_once(self, job: Job) -> Job:
        try:
            after = await self._uses[job.kind].advance(job)
        except Exception:
            log.exception("Job %s of %s failed by a defect", job.id, job.owner)
            error = PublicError(
                "internal_error",
                sentence(
                    "Something went wrong on our side. Your desktops are unharmed. "
                    "Try again, or tell your administrator: job {job}."
                ),
                job=job.id,
            )
            changes = stamped(end(FAILED, error=error.to_dict()))
            after = self._jobs.update(job.id, **changes)
        if after != job:
            self._feed.changed(job.id)
        if not after.unfinished:
            why = after.error["code"] if after.error else ""
            log.info("Job %s of %s ended: %s %s", job.id, job.owner, after.state, why)
            self._ended(after)
            # Whoever waits for this one's place need not wait for the next turn.
            self.wake()
        return after

    async def _follow_up(self, job: Job) -> None:
        """Do what belongs to a job's end; the result stands whatever becomes of that."""
        try:
            await self._uses[job.kind].follow_up(job)
        except Unavailable as error:
            age = datetime.now(UTC) - (job.ended or job.created)
            if age < STUBBORN:
                log.info("After job %s, later again: %s", job.id, error)
                # At first soon, then at times: seconds as the age of the job in tenths.
                await asyncio.sleep(max(PAUSE, age.total_seconds() / 10))
                return
            log.warning("After job %s, given up: %s %s", job.id, error, error.details)
        except PublicError as error:
            log.warning("After job %s: %s %s", job.id, error, error.details)
        except Exception:
            log.exception("After job %s: a defect", job.id)
        self._jobs.update(job.id, settled=True)
        self._settled()
