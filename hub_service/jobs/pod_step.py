"""A step of a job that a pod of its own carries out, and that has only a say at its end."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from hub_service.clients.workloads import MADE, WorkloadPod, Workloads
from hub_service.errors import PublicError, Unavailable
from hub_service.jobs.follower import BuildFollower, Following, Source
from hub_service.jobs.share import share_of
from hub_service.models import Job
from hub_service.stores.stores import Stores

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a Job is made for a step whose Job was lost."""
SPARE = timedelta(minutes=1)
"""What the cluster may take longer than the pod's own deadline."""


class Ending(Protocol):
    """What a step's verdict has in common with another's."""

    @property
    def error(self) -> PublicError | None:
        """Why it was not passed; None = it was."""


V = TypeVar("V", bound=Ending)


@dataclass(frozen=True)
class PodSettings:
    """What the administrator decides of such a step."""

    template: Mapping[str, Any] | None
    """The chart's Job; None = the step is not done here."""
    running: int = 2
    """How many run at once."""

    @property
    def deadline(self) -> timedelta:
        """How long one may take, with everything that comes before it."""
        pod = self.template["spec"]["template"]["spec"] if self.template else {}
        return timedelta(seconds=pod.get("activeDeadlineSeconds", 600)) + SPARE


class PodStep(ABC, Generic[V]):
    """Carries out a step of a job in a pod.

    - every step ends with a verdict, also when the cluster does not answer or has no room
    - what is known is in the job's progress: a restart of hub_service goes on where it was
    """

    name: ClassVar[str]
    """The step's name among those of its job; the pod is found by the job's id and it."""
    containers: ClassVar[tuple[str, ...]]
    """Those that tell something, in the order in which they run."""

    def __init__(
        self,
        stores: Stores,
        workloads: Workloads,
        follower: BuildFollower,
        settings: PodSettings,
    ) -> None:
        self.settings = settings
        self._jobs = stores.jobs
        self._logs = stores.logs
        self._workloads = workloads
        self._follower = follower

    @abstractmethod
    def body(
        self, template: Mapping[str, Any], job: Job, reference: str
    ) -> dict[str, Any]:
        """Return the Job of the step."""

    @abstractmethod
    def verdict(self, job: Job, following: Following, pod: WorkloadPod) -> V | None:
        """Return how it ended by what its pod tells, None while it has not."""

    @abstractmethod
    def no_room(self, job: Job) -> V:
        """Return the verdict of a step that the cluster did not carry out in time."""

    async def failed(self, job: Job, pod: WorkloadPod) -> None:
        """Look at the pod of a step that was not passed, before it is removed."""

    @property
    def enabled(self) -> bool:
        """True when the step is done on this hub."""
        return self.settings.template is not None

    def run_of(self, job: str) -> str:
        """Return what the step's pod is found by: a build's own pod has the job's id."""
        return f"{job}-{self.name}"

    def waiting(self, job: Job) -> dict[str, Any]:
        """Return the progress of a job whose step comes next; its other steps stay."""
        return {
            **self._shown(job, "waiting", 0.0),
            "since": datetime.now(UTC).isoformat(),
            "log_start": self._logs.length(job.id),
            "tries": 0,
        }

    async def look(self, job: Job, reference: str) -> tuple[dict[str, Any], V | None]:
        """Go on with the step; return the job's changes, and the verdict once there is one."""
        try:
            changes, verdict = await self._look(job, reference)
        except Unavailable as error:
            changes = {"silent_since": job.silent_since or datetime.now(UTC)}
            verdict = None
            log.info("Step %s of job %s waits: %s", self.name, job.id, error)
        if verdict is None and self._overdue(job):
            verdict = self.no_room(job)
        return changes, verdict

    async def remove(self, job: Job) -> bool:
        """Remove what runs for the step; True once nothing is left."""
        await self._follower.forget(self.run_of(job.id))
        return await self._workloads.remove(self.run_of(job.id))

    async def _look(self, job: Job, reference: str) -> tuple[dict[str, Any], V | None]:
        pod = await self._workloads.pod(self.run_of(job.id))
        if pod is None:
            return await self._make(job, reference), None
        start = job.progress.get("log_start", 0)
        source = Source(job.id, self.run_of(job.id), self.containers, start)
        following = self._follower.follow(source, pod.name)
        verdict = self.verdict(job, following, pod)
        if verdict:
            following.flush()
        if verdict and verdict.error:
            await self.failed(job, pod)
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
        await self._follower.forget(self.run_of(job.id))
        body = self.body(template, job, reference)
        if await self._workloads.create_job(body) == MADE:
            progress |= {"tries": tries + 1, "log_start": self._logs.length(job.id)}
        progress |= self._shown(job, "running", _seconds(job))
        return {"progress": progress, "silent_since": None}

    def _may_begin(self, job: Job) -> bool:
        if job.progress.get("tries"):
            return True
        running = [one for one in self._jobs.unfinished() if self._has_begun(one)]
        return len(running) < self.settings.running

    def _has_begun(self, job: Job) -> bool:
        return job.progress.get("step") == self.name and bool(job.progress.get("tries"))

    def _overdue(self, job: Job) -> bool:
        """Say whether the step has had its time, or waits for its turn as long as three have."""
        times = 1 if job.progress.get("tries") else 3
        return _seconds(job) > times * self.settings.deadline.total_seconds()

    def _shown(self, job: Job, state: str, seconds: float) -> dict[str, Any]:
        known = job.progress.get("steps") or ()
        steps = [one for one in known if one["name"] != self.name]
        steps.append({"name": self.name, "state": state, "seconds": round(seconds, 1)})
        return {
            "step": self.name,
            "steps": steps,
            "bytes_done": 0,
            "bytes_total": None,
            "share": share_of(job, steps),
        }


def _seconds(job: Job) -> float:
    """Return how long the step has been waiting or running."""
    since = job.progress.get("since")
    if not since:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
