"""Nothing is offered to everybody before its desktop was seen to come up, and it was scanned."""

import uuid
from dataclasses import replace
from typing import Any

from hub_service.errors import Conflict, PublicError, sentence
from hub_service.jobs.advancing import end, stamped
from hub_service.models import (
    APPROVED,
    CANCELLED,
    FAILED,
    PUBLISHED,
    RUNNING,
    SCAN,
    START_TEST,
    SUCCEEDED,
    TRIALS,
    Image,
    Job,
    Server,
    Version,
)
from hub_service.scans.scans import Scans
from hub_service.start_tests.start_tests import StartTests
from hub_service.stores.stores import Stores

Changes = dict[str, Any]


class PublicationTests:
    """The use-case of a start-test or a scan that is a job of its own.

    - what an administrator decided is kept with the job, and carried out when all is passed
    - a version is tried by one job at a time: who asks again joins it
    - a start-test goes on with the scan where that is missing too
    """

    def __init__(self, stores: Stores, tests: StartTests, scans: Scans) -> None:
        self._catalogue = stores.catalogue
        self._jobs = stores.jobs
        self._pictures = stores.pictures
        self._requests = stores.requests
        self._tests = tests
        self._scans = scans

    def needed(self, version: Version) -> bool:
        """Say whether a version must be tried or scanned before it is published."""
        return self._untried(version) or self._scans.needed(version)

    def passed(self, version: Version) -> bool:
        """Say whether a version came up, and nothing that is known of it keeps it back."""
        return not self._untried(version) and self.problem(version) is None

    def passed_lately(self, version: Version) -> bool:
        """Say whether a version has passed, and a scan now would say no more than the last."""
        return self.passed(version) and not self._scans.due(version)

    def problem(self, version: Version) -> Conflict | None:
        """Return what is known of a version that keeps it from being published."""
        return self._scans.problem(version)

    def require_allowed(self, version: Version) -> None:
        """Raise Conflict when what is known of a version keeps it from being published."""
        if problem := self.problem(version):
            raise problem

    def of(self, owner: str, name: str, number: int) -> Job | None:
        """Return the job that tries a version just now."""
        wanted = (owner, name, number)
        for job in self._jobs.unfinished():
            found = (job.owner, job.image, job.number)
            # One that is being cancelled carries nothing out any more.
            if job.kind in TRIALS and found == wanted and not job.cancel:
                return job
        return None

    def ask(self, image: Image, number: int, approval: Changes | None = None) -> Job:
        """Have a version tried; `approval` is carried out when it passes.

        It says `by` whom, and, of a request, its number `request` and the `reason`; `activate`
        makes the version the one that starts for its owner, too.
        """
        known = self.of(image.owner, image.name, number)
        version = image.version(number)
        if known is None:
            untried = version is None or self._untried(version)
            return self._jobs.add(
                kind=START_TEST if untried else SCAN,
                id=uuid.uuid4().hex,
                owner=image.owner,
                server=Server(image.owner),
                image=image.name,
                title=image.title,
                number=number,
                request={"approval": approval},
            )
        if approval is None:
            return known
        return self._jobs.update(
            known.id, request={**known.request, "approval": approval}
        )

    def withdraw(self, image: Image, number: int | None = None) -> None:
        """Let the tests of an image, or of one version, go on, but publish nothing at their end."""
        for job in self._jobs.unfinished():
            found = (job.owner, job.image) == (image.owner, image.name)
            if job.kind in TRIALS and found and number in (None, job.number):
                self._jobs.update(job.id, request={**job.request, "approval": None})

    async def advance(self, job: Job) -> Job:
        """Bring a test one step further; called again until it has ended."""
        try:
            changes = await self._step(job)
        except PublicError as error:
            changes = end(FAILED, error=error.to_dict())
        return self._jobs.update(job.id, **stamped(changes))

    async def follow_up(self, job: Job) -> None:
        """Remove what ran for the test."""
        await self._remove(job)

    async def _step(self, job: Job) -> Changes:
        if job.cancel:
            return end(CANCELLED) if await self._remove(job) else {}
        if job.state != RUNNING:
            first = self._tests if job.kind == START_TEST else self._scans
            return {"state": RUNNING, "progress": first.waiting(job)}
        if job.progress["step"] == self._tests.name:
            return await self._test(job)
        return await self._scan(job)

    async def _test(self, job: Job) -> Changes:
        version = self._version(job)
        changes, verdict = await self._tests.look(job, version.reference)
        if verdict is None:
            return changes
        found = verdict.to_dict(job)
        self._catalogue.set_start_test(job.owner, job.image, job.number, found)
        if verdict.error:
            return {**changes, **end(FAILED, error=verdict.error.to_dict())}
        if verdict.picture:
            self._pictures.keep(version.digest, verdict.picture)
        if self._scans.needed(version):
            tested = replace(job, progress=changes.get("progress", job.progress))
            return {**changes, "progress": self._scans.waiting(tested)}
        self._publish(job)
        return {**changes, **end(SUCCEEDED)}

    async def _scan(self, job: Job) -> Changes:
        version = self._version(job)
        changes, verdict = await self._scans.look(job, version.reference)
        if verdict is None:
            return changes
        self._scans.record(job, version, verdict)
        published = self._publish(job)
        # Whoever asked for nothing but the scan has nothing without its result.
        if verdict.error and job.kind == SCAN and not published:
            return {**changes, **end(FAILED, error=verdict.error.to_dict())}
        return {**changes, **end(SUCCEEDED)}

    def _publish(self, job: Job) -> bool:
        """Carry out what was decided, and say whether anything was.

        What was decided meanwhile has been read again.
        """
        latest = self._jobs.get(job.id) or job
        approval = latest.request.get("approval")
        if not approval:
            return False
        self.require_allowed(self._version(job))
        if approval.get("request"):
            self._requests.decide(
                approval["by"], approval["request"], APPROVED, approval["reason"]
            )
            return True
        changes = {"visibility": PUBLISHED, "published": job.number}
        if approval.get("activate"):
            changes["active"] = job.number
        self._catalogue.change(approval["by"], job.owner, job.image, **changes)
        return True

    async def _remove(self, job: Job) -> bool:
        tested = await self._tests.remove(job)
        return await self._scans.remove(job) and tested

    def _untried(self, version: Version) -> bool:
        return self._tests.enabled and not version.passed

    def _version(self, job: Job) -> Version:
        image = self._catalogue.image(job.owner, job.image)
        version = image.version(job.number) if image else None
        if version is None:
            raise Conflict(
                "version_gone", sentence("This version was deleted meanwhile.")
            )
        return version
