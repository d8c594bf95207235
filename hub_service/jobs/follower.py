"""Follows what builds and start-tests tell: keeps their logs, knows how far they are."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from hub_service.clients.workloads import Workloads
from hub_service.errors import Unavailable
from hub_service.jobs.events import JobFeed
from hub_service.jobs.output import BuildOutput
from hub_service.stores.log_store import LogStore

log = logging.getLogger(__name__)

PAUSE = 0.3
PART = 32 * 1024
"""Characters after which a part is kept without waiting for the next look."""


@dataclass(frozen=True)
class Source:
    """What tells something for a job."""

    job: str
    """Whose log it is."""
    run: str
    """What the pods are found by."""
    containers: Sequence[str]
    """In the order in which they run."""
    start: int = 0
    """Characters that the job's log had before."""


class Following:
    """The output of one source.

    It is read from its start each time, so that a restart of hub_service loses nothing; what
    is kept already is not kept twice.
    """

    def __init__(
        self, source: Source, pod: str, workloads: Workloads, logs: LogStore
    ) -> None:
        self.output = BuildOutput()
        self.finished = False
        self._source = source
        self._pod = pod
        self._workloads = workloads
        self._logs = logs
        self._kept = logs.length(source.job)
        self._read = source.start
        self._waiting = ""

    async def run(self) -> None:
        """Read the containers one after the other until the last one has ended."""
        for container in self._source.containers:
            if await self._began(container):
                async for line in self._workloads.log(self._pod, container):
                    self._take(self.output.read(line))
        self.finished = True

    def flush(self) -> bool:
        """Keep what was read since; True when there was something."""
        text, self._waiting = self._waiting, ""
        if text:
            self._logs.append(self._source.job, self._kept, text)
            self._kept += len(text)
        return bool(text)

    async def _began(self, container: str) -> bool:
        """Wait until a container runs or ran; False when it never will."""
        while pod := await self._workloads.pod(self._source.run):
            state = pod.states.get(container)
            # Before its first container, a pod knows of none.
            if pod.states and state != "waiting":
                return state is not None
            if pod.ended:
                return False
            await asyncio.sleep(PAUSE)
        return False

    def _take(self, text: str) -> None:
        start, self._read = self._read, self._read + len(text)
        known = self._kept + len(self._waiting)
        self._waiting += text[max(0, known - start) :]
        if len(self._waiting) > PART:
            self.flush()


class BuildFollower:
    """Follows everything that runs for a job."""

    def __init__(self, workloads: Workloads, logs: LogStore, feed: JobFeed) -> None:
        self._workloads = workloads
        self._logs = logs
        self._feed = feed
        self._known: dict[str, tuple[Following, asyncio.Task[None]]] = {}

    def follow(self, source: Source, pod: str) -> Following:
        """Return what is known of a source, and go on reading."""
        if source.run not in self._known:
            following = Following(source, pod, self._workloads, self._logs)
            task = asyncio.create_task(self._run(following))
            self._known[source.run] = (following, task)
        following, task = self._known[source.run]
        if following.flush():
            self._feed.changed(source.job)
        if task.done() and not following.finished:
            # The connection broke: read again, from the start.
            del self._known[source.run]
        return following

    async def forget(self, run: str) -> None:
        """Stop reading; what was read is kept."""
        following, task = self._known.pop(run, (None, None))
        if task and following:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            following.flush()

    async def close(self) -> None:
        """Stop reading everything."""
        for run in list(self._known):
            await self.forget(run)

    async def _run(self, following: Following) -> None:
        try:
            await following.run()
        except Unavailable as error:
            log.info("A log breaks off: %s %s", error, error.details)
