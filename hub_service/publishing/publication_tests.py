"""Nothing is offered to everybody before its desktop was seen to come up."""

import uuid
from typing import Any

from hub_service.errors import Conflict, PublicError, sentence
from hub_service.jobs.advancing import end, stamped
from hub_service.models import (
    APPROVED,
    CANCELLED,
    FAILED,
    PUBLISHED,
    RUNNING,
    START_TEST,
    SUCCEEDED,
    Image,
    Job,
    Server,
    Version,
)
from hub_service.start_tests.start_tests import StartTests
from hub_service.stores.stores import Stores


class PublicationTests:
    """The use-case of a start-test that is a job of its own.

    - what an administrator decided is kept with the job, and carried out when the test is passed
    - a version is tried by one job at a time: who asks again joins it
    """

    def __init__(self, stores: Stores, tests: StartTests) -> None:
        self._catalogue = stores.catalogue
        self._jobs = stores.jobs
        self._pictures = stores.pictures
        self._requests = stores.requests
        self._tests = tests

    def needed(self, version: Version) -> bool:
        """Say whether a version must be tried before it is published."""
        return self._tests.enabled and not version.passed

    def of(self, owner: str, name: str, number: int) -> Job | None:
        """Return the test of a version that is under way."""
        wanted = (START_TEST, owner, name, number)
        for job in self._jobs.unfinished():
            found = (job.kind, job.owner, job.image, job.number)
            # One that is being cancelled carries nothing out any more.
            if found == wanted and not job.cancel:
                return job
        return None

    def ask(
        self, image: Image, number: int, approval: dict[str, Any] | None = None
    ) -> Job:
        """Have a version tried; `approval` is carried out when it passes.

        It says `by` whom, and, of a request, its number `request` and the `reason`.
        """
        known = self.of(image.owner, image.name, number)
        if known is None:
            return self._jobs.add(
                kind=START_TEST,
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

    def withdraw(self, image: Image) -> None:
        """Let the tests of an image go on, but publish nothing when they pass."""
        for job in self._jobs.unfinished():
            found = (job.kind, job.owner, job.image)
            if found == (START_TEST, image.owner, image.name):
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
        await self._tests.remove(job)

    async def _step(self, job: Job) -> dict[str, Any]:
        if job.cancel:
            return end(CANCELLED) if await self._tests.remove(job) else {}
        if job.state != RUNNING:
            return {"state": RUNNING, "progress": self._tests.waiting(job)}
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
        self._publish(job)
        return {**changes, **end(SUCCEEDED)}

    def _publish(self, job: Job) -> None:
        """Carry out what was decided; what was decided meanwhile has been read again."""
        latest = self._jobs.get(job.id) or job
        approval = latest.request.get("approval")
        if not approval:
            return
        if approval.get("request"):
            self._requests.decide(
                approval["by"], approval["request"], APPROVED, approval["reason"]
            )
            return
        changes = {"visibility": PUBLISHED, "published": job.number}
        self._catalogue.change(approval["by"], job.owner, job.image, **changes)

    def _version(self, job: Job) -> Version:
        image = self._catalogue.image(job.owner, job.image)
        version = image.version(job.number) if image else None
        if version is None:
            raise Conflict(
                "version_gone", sentence("This version was deleted meanwhile.")
            )
        return version
