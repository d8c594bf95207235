"""Trying a version: its desktop is started in a pod of its own and looked at."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hub_service.clients.workloads import MADE, WorkloadPod, Workloads
from hub_service.errors import PublicError, Unavailable
from hub_service.jobs.follower import BuildFollower, Source
from hub_service.models import Job
from hub_service.start_tests import pod as start_test_pod
from hub_service.start_tests.pod import DESKTOP, TESTER, run_of
from hub_service.start_tests.result import Verdict, failed, verdict_of
from hub_service.stores.stores import Stores

log = logging.getLogger(__name__)

STEP = "test"
ATTEMPTS = 3
"""How often a Job is made for a test whose Job was lost."""
SPARE = timedelta(minutes=1)
"""What the cluster may take longer than the pod's own deadline."""


@dataclass(frozen=True)
class StartTestSettings:
    """What the administrator decides of start-tests."""

    template: Mapping[str, Any] | None
    """The chart's Job; None = nothing is tried here."""
    running: int = 2
    """How many run at once."""

    @property
    def deadline(self) -> timedelta:
        """How long a test may take, with everything that comes before it."""
        pod = self.template["spec"]["template"]["spec"] if self.template else {}
        return timedelta(seconds=pod.get("activeDeadlineSeconds", 600)) + SPARE


class StartTests:
    """Carries out the start-test of a job, step by step.

    - every test ends with a verdict, also when the cluster does not answer or has no room
    - what is known is in the job's progress: a restart of hub_service goes on where it was
    - the desktop has no account, no token of anybody and no home of anybody
    """

    def __init__(
        self,
        stores: Stores,
        workloads: Workloads,
        follower: BuildFollower,
        settings: StartTestSettings,
    ) -> None:
        self.settings = settings
        self._jobs = stores.jobs
        self._logs = stores.logs
        self._workloads = workloads
        self._follower = follower

    @property
    def enabled(self) -> bool:
        """True when versions are tried on this hub."""
        return self.settings.template is not None

    def waiting(self, job: Job) -> dict[str, Any]:
        """Return the progress of a job whose start-test comes next; its steps stay."""
        return {
            **self._shown(job, "waiting", 0.0),
            "since": datetime.now(UTC).isoformat(),
            "log_start": self._logs.length(job.id),
            "tries": 0,
        }

    async def look(
        self, job: Job, reference: str
    ) -> tuple[dict[str, Any], Verdict | None]:
        """Go on with the test; return the job's changes, and the verdict once there is one."""
        try:
            changes, verdict = await self._look(job, reference)
        except Unavailable as error:
            changes = {"silent_since": job.silent_since or datetime.now(UTC)}
            verdict = None
            log.info("The start-test of job %s waits: %s", job.id, error)
        if verdict is None and self._overdue(job):
            verdict = failed(job, "room")
        return changes, verdict

    async def remove(self, job: Job) -> bool:
        """Remove what runs for the test; True once nothing is left."""
        await self._follower.forget(run_of(job.id))
        return await self._workloads.remove(run_of(job.id))

    async def _look(
        self, job: Job, reference: str
    ) -> tuple[dict[str, Any], Verdict | None]:
        pod = await self._workloads.pod(run_of(job.id))
        if pod is None:
            return await self._make(job, reference), None
        start = job.progress.get("log_start", 0)
        source = Source(job.id, run_of(job.id), (TESTER,), start)
        following = self._follower.follow(source, pod.name)
        verdict = verdict_of(job, following.output, pod, following.finished)
        if verdict:
            following.flush()
        if verdict and verdict.error:
            await self._keep_log(job, pod)
        state = "done" if verdict and not verdict.error else "running"
        state = "failed" if verdict and verdict.error else state
        progress = {**job.progress, **self._shown(job, state, _seconds(job))}
        return {"progress": progress, "silent_since": None}, verdict

    async def _make(self, job: Job, reference: str) -> dict[str, Any]:
        """Have the Job made: the first time, or again after it was lost."""
        template, tries = self.settings.template, job.progress.get("tries", 0)
        if template is None or tries >= ATTEMPTS or not self._may_begin(job):
            # Whoever gets no turn in time gets a verdict from look().
            return {}
        progress = dict(job.progress)
        if not tries:
            # Written down first: from now on nobody else takes this place.
            progress |= {"tries": 1, "since": datetime.now(UTC).isoformat()}
            self._jobs.update(job.id, progress=progress)
        # What a pod told that is gone is not what the next one tells.
        await self._follower.forget(run_of(job.id))
        body = start_test_pod.job(
            template, id=job.id, token=secrets.token_hex(16), image=reference
        )
        if await self._workloads.create_job(body) == MADE:
            progress |= {"tries": tries + 1, "log_start": self._logs.length(job.id)}
        progress |= self._shown(job, "running", _seconds(job))
        return {"progress": progress, "silent_since": None}

    def _may_begin(self, job: Job) -> bool:
        if job.progress.get("tries"):
            return True
        running = [one for one in self._jobs.unfinished() if one.progress.get("tries")]
        return len(running) < self.settings.running

    def _overdue(self, job: Job) -> bool:
        """Say whether the test has had its time, or waits for its turn as long as three have."""
        times = 1 if job.progress.get("tries") else 3
        return _seconds(job) > times * self.settings.deadline.total_seconds()

    def _shown(self, job: Job, state: str, seconds: float) -> dict[str, Any]:
        steps = [one for one in job.progress.get("steps") or () if one["name"] != STEP]
        steps.append({"name": STEP, "state": state, "seconds": round(seconds, 1)})
        return {"step": STEP, "steps": steps, "bytes_done": 0, "bytes_total": None}

    async def _keep_log(self, job: Job, pod: WorkloadPod) -> None:
        """Put the desktop's own log behind the test's: it says why it did not come up."""
        lines = ["--- the desktop's own log ---"]
        try:
            output = self._workloads.log(pod.name, DESKTOP, follow=False)
            lines += [line async for line in output]
        except PublicError as error:
            lines.append(f"({error})")
        text = "".join(f"{line}\n" for line in lines)
        self._logs.append(job.id, self._logs.length(job.id), text)


def _seconds(job: Job) -> float:
    """Return how long the test has taken so far."""
    since = job.progress.get("since")
    if not since:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
