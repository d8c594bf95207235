"""The last part of saves and builds: what was made is tried, if it shall be, and recorded."""

from collections.abc import Mapping
from typing import Any

from hub_service.jobs.advancing import end
from hub_service.models import CANCELLED, FAILED, SUCCEEDED, Job
from hub_service.start_tests.result import Verdict
from hub_service.start_tests.start_tests import StartTests
from hub_service.stores.stores import Stores


class Finishing:
    """Records the version of a job.

    - a version becomes active when nobody asked to keep it back, and its test was passed
    - one that did not come up is kept, not active: its owner may look at it, correct it, delete it
    """

    def __init__(self, stores: Stores, tests: StartTests) -> None:
        self._recording = stores.recording
        self._pictures = stores.pictures
        self._store = stores.store
        self._tests = tests

    @property
    def tests(self) -> bool:
        """True when this hub tries versions."""
        return self._tests.enabled

    async def made(
        self, job: Job, result: dict[str, Any], more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Take over what the registry holds now: the job ends, or its start-test begins."""
        await self._recording.require_held(job, result["digest"])
        if self._tests.enabled and job.request.get("start_test"):
            return {"result": result, "progress": self._tests.waiting(job)}
        self._record(job, result, more, None)
        return end(SUCCEEDED, result=result)

    async def carry_on(
        self, job: Job, more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Go on with the start-test of a job that has made its version."""
        if job.cancel:
            return end(CANCELLED) if await self._tests.remove(job) else {}
        result = job.result or {}
        reference = self._store.reference(job.owner, job.image, result["digest"])
        changes, verdict = await self._tests.look(job, reference)
        if verdict is None:
            return changes
        self._record(job, result, more, verdict)
        if verdict.error:
            return {**changes, **end(FAILED, error=verdict.error.to_dict())}
        return {**changes, **end(SUCCEEDED, result=result)}

    async def follow_up(self, job: Job) -> None:
        """Remove what ran for the test."""
        if job.progress.get("tries"):
            await self._tests.remove(job)

    def _record(
        self,
        job: Job,
        result: Mapping[str, Any],
        more: Mapping[str, Any] | None,
        verdict: Verdict | None,
    ) -> None:
        wanted = bool(job.request.get("activate", True))
        self._recording.record(
            job,
            result,
            more=more,
            activate=wanted and not (verdict and verdict.error),
            start_test=verdict.to_dict(job) if verdict else None,
        )
        if verdict and verdict.picture:
            self._pictures.keep(result["digest"], verdict.picture)
