"""Building a version from a Dockerfile: asked for, queued, carried out by a Job, ended."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hub_service.building import pod as build_pod
from hub_service.building.progress import build_error, progress_of
from hub_service.building.rules import prepared, problems
from hub_service.building.source_policy import canonical, source_policy
from hub_service.clients.workloads import TAKEN, THERE, WorkloadPod, Workloads
from hub_service.errors import (
    BadRequest,
    Conflict,
    NotFound,
    PublicError,
    Unavailable,
    sentence,
)
from hub_service.jobs.advancing import (
    WAITS_FOR_CLEANUP,
    end,
    stamped,
    still_going,
    wait,
)
from hub_service.jobs.follower import BuildFollower, Following, Source
from hub_service.jobs.targets import target
from hub_service.models import (
    BUILD,
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Job,
    Person,
    Server,
    Version,
)
from hub_service.rules.naming import checked_description
from hub_service.start_tests.finishing import Finishing
from hub_service.stores.stores import Stores
from oci.names import tag

ATTEMPTS = 3
"""How often a Job is made for a build whose Job was lost."""


@dataclass(frozen=True)
class BuildSettings:
    """What the administrator decides of builds."""

    template: Mapping[str, Any] | None
    """The chart's `job`, `claim` and `files`; None = no builds here."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """What may be written behind FROM -> the image that is meant."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """What may be written behind FROM -> what people read."""
    running: int = 2
    waiting: int = 5
    waiting_in_all: int = 50

    @property
    def offered(self) -> dict[str, str]:
        """The short names, and the images' own."""
        return {**self.bases, **{image: image for image in self.bases.values()}}

    @property
    def choices(self) -> dict[str, str]:
        """What may be written behind FROM, each with its title."""
        return {slug: self.titles.get(slug, slug) for slug in self.bases}


@dataclass(frozen=True)
class BuildRequest:
    """What a person asked for."""

    title: str
    description: str
    dockerfile: str
    context: str = ""
    """The id of the files that were sent along; empty = none."""
    start_test: bool = True
    """Whether its desktop must be seen to come up."""
    activate: bool = True
    """False keeps it for its owner, who makes it active when they like."""


class Builds:
    """The use-case of a build.

    - what can refuse it is asked before anything runs
    - one build of a person runs at a time, for it alone may use their cache; the others wait
    - a job's steps are safe to repeat: a Job's name is the lock, the registry knows a version
      by its tag, the catalogue by its number and digest
    """

    def __init__(
        self,
        stores: Stores,
        workloads: Workloads,
        follower: BuildFollower,
        finishing: Finishing,
        settings: BuildSettings,
    ) -> None:
        self.settings = settings
        self._catalogue = stores.catalogue
        self._jobs = stores.jobs
        self._cleanups = stores.cleanup_store
        self._store = stores.store
        self._contexts = stores.contexts
        self._recording = stores.recording
        self._quotas = stores.quotas
        self._workloads = workloads
        self._follower = follower
        self._finishing = finishing

    async def start(self, person: Person, request: BuildRequest) -> Job:
        """Record a build after asking whether it can be done; the reconciler carries it out."""
        self._require_enabled()
        target(self._catalogue, self._jobs.open(), person.name, request.title)
        description = checked_description(request.description)
        _refuse(problems(request.dockerfile, self.settings.offered))
        await self._store.ping()
        context = None
        if request.context:
            context = await self._contexts.find(person.name, request.context)
        # From here to the row nothing is awaited, so no second request comes in between.
        active = self._jobs.unfinished()
        self._refuse_many(active, person)
        self._quotas.require_room(person, BUILD)
        image = target(self._catalogue, self._jobs.open(), person.name, request.title)
        return self._jobs.add(
            kind=BUILD,
            id=uuid.uuid4().hex,
            owner=person.name,
            server=Server(person.name),
            image=image.name,
            title=image.title,
            number=image.number,
            request={
                "description": description,
                "dockerfile": request.dockerfile,
                "context": request.context,
                "context_repository": context.repository if context else "",
                "context_digest": context.digest if context else "",
                "start_test": request.start_test,
                "activate": request.activate,
            },
        )

    async def advance(self, job: Job) -> Job:
        """Bring a job one step further; called again until it has ended."""
        try:
            changes = await self._step(job)
        except Unavailable as error:
            changes = wait(job, error)
        except PublicError as error:
            changes = end(FAILED, error=error.to_dict())
        return self._jobs.update(job.id, **stamped(changes))

    async def follow_up(self, job: Job) -> None:
        """Remove what ran for the job, and what it left if it did not end well."""
        await self._follower.forget(job.id)
        if not await self._workloads.remove(job.id):
            raise still_going()
        await self._finishing.follow_up(job)
        if job.state != SUCCEEDED and job.attempts:
            await self._recording.discard(job)
        if job.request["context"]:
            await self._contexts.remove(job.owner, job.request["context"])

    async def _step(self, job: Job) -> dict[str, Any]:
        if job.result:
            return await self._finishing.carry_on(job, self._more(job, job.result))
        if job.cancel:
            gone = await self._workloads.remove(job.id)
            return end(CANCELLED) if gone else {}
        if job.state == QUEUED:
            if self._cleanups.under_way():
                return WAITS_FOR_CLEANUP
            place = self._place(job)
            return {"progress": {"place": place}} if place else await self._make(job)
        pod = await self._workloads.pod(job.id)
        if pod is None:
            return await self._make(job)
        return await self._take(job, pod)

    def _place(self, job: Job) -> int:
        """Return how many builds come before this one; 0 = it may begin now."""
        active = [one for one in self._jobs.unfinished() if one.kind == BUILD]
        running = {one.owner for one in active if one.state == RUNNING}
        waiting = [one for one in active if one.state == QUEUED]
        before = waiting[: [one.id for one in waiting].index(job.id)]
        if job.owner in running or any(one.owner == job.owner for one in before):
            return len(before) + 1
        # Whoever waits for a build of their own holds up nobody else.
        ahead = [one for one in before if one.owner not in running]
        free = self.settings.running - len(running)
        return 0 if len({one.owner for one in ahead}) < free else len(before) + 1

    async def _make(self, job: Job) -> dict[str, Any]:
        """Have the Job made: the first time, or again after it was lost."""
        template = self._require_enabled()
        if job.attempts >= ATTEMPTS:
            raise Conflict(
                "build_lost",
                sentence(
                    "The machine that built this stopped {attempts} times. Nothing was lost. "
                    "Try again, or tell your administrator."
                ),
                attempts=job.attempts,
            )
        # Written down first: from now on nobody else takes this place in the queue.
        started = job.started or datetime.now(UTC)
        # What a pod told that is gone is not what the next one tells.
        await self._follower.forget(job.id)
        self._jobs.update(job.id, state=RUNNING, started=started)
        await self._workloads.ensure_claim(
            build_pod.claim(template["claim"], job.owner)
        )
        made = await self._workloads.create_job(*self._job(template, job))
        if made == TAKEN:
            # An earlier build of this person is still being removed.
            return {"state": QUEUED, "progress": {"place": 1}}
        if made == THERE:
            raise Unavailable(
                "build_waits",
                sentence(
                    "The cluster has no room for this build just now. We keep trying."
                ),
            )
        return {"attempts": job.attempts + 1, "state": RUNNING, "silent_since": None}

    def _job(
        self, template: Mapping[str, Any], job: Job
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the Job and the files of its ConfigMap."""
        context = {
            "CONTEXT_REPOSITORY": job.request["context_repository"],
            "CONTEXT_DIGEST": job.request["context_digest"],
        }
        environment = {
            "fetch": context if job.request["context"] else {},
            "push": {
                "REPOSITORY": self._store.repository(job.owner, job.image),
                "TAG": tag(job.number),
                "KNOWN": " ".join(version.digest for version in self._versions(job)),
            },
        }
        body = build_pod.job(
            template["job"], id=job.id, owner=job.owner, environment=environment
        )
        files = {
            **template["files"],
            "Dockerfile": prepared(job.request["dockerfile"]),
            "policy.json": source_policy(self.settings.offered),
        }
        return body, files

    async def _take(self, job: Job, pod: WorkloadPod) -> dict[str, Any]:
        """Take over what a build's pod tells."""
        following = self._follower.follow(
            Source(job.id, job.id, build_pod.STEPS), pod.name
        )
        if pod.trouble:
            raise Unavailable(
                "build_waits",
                sentence(
                    "The cluster has no room for this build just now. We keep trying."
                ),
                details={"why": pod.trouble},
            )
        changes = {
            "progress": progress_of(job, following.output, pod),
            "silent_since": None,
        }
        # The result is the last that a build tells: its pod may take seconds to be gone.
        if not (following.output.result or (pod.ended and following.finished)):
            return changes
        following.flush()
        job = replace(job, progress=changes["progress"] or {})
        return {**changes, **await self._end(job, pod, following)}

    async def _end(
        self, job: Job, pod: WorkloadPod, following: Following
    ) -> dict[str, Any]:
        result = following.output.result
        if result is None:
            return end(FAILED, error=build_error(following.output, pod).to_dict())
        offered = {canonical(image) for image in self.settings.offered.values()}
        if result["base"]["name"] not in offered:
            raise Conflict(
                "source_denied",
                sentence("The image does not stand on one of the tested images."),
                details={"base": result["base"]},
            )
        changes = await self._finishing.made(job, result, self._more(job, result))
        # What is tried needs neither the build's pod nor its place in the node's memory.
        await self._follower.forget(job.id)
        await self._workloads.remove(job.id)
        return changes

    def _more(self, job: Job, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is kept with the version besides what the build tells."""
        same = [one for one in self._versions(job) if one.digest == result["digest"]]
        known = same[0].details if same else {}
        return {**known, "dockerfile": job.request["dockerfile"]}

    def _versions(self, job: Job) -> tuple[Version, ...]:
        """Return the image's versions so far."""
        image = self._catalogue.image(job.owner, job.image)
        return image.versions if image else ()

    def _require_enabled(self) -> Mapping[str, Any]:
        if self.settings.template is None:
            raise NotFound(
                "builds_off",
                sentence("This hub builds no images. Save a running desktop instead."),
            )
        return self.settings.template

    def _refuse_many(self, active: Sequence[Job], person: Person) -> None:
        builds = [one for one in active if one.kind == BUILD]
        mine = [one for one in builds if one.owner == person.name]
        if len(mine) > self.settings.waiting:
            raise Conflict(
                "too_many_builds",
                sentence(
                    "Builds of yours that are under way or waiting: {count}. "
                    "Wait for one of them, or cancel one."
                ),
                count=len(mine),
            )
        if len([one for one in builds if one.state == QUEUED]) >= (
            self.settings.waiting_in_all
        ):
            raise Conflict(
                "builds_busy",
                sentence(
                    "Builds that wait already: {count}. This hub takes no more just now. "
                    "Try again in a while."
                ),
                count=self.settings.waiting_in_all,
            )


def _refuse(found: Sequence[Any]) -> None:
    if not found:
        return
    first = found[0]
    raise BadRequest(
        "dockerfile_refused",
        sentence("Line {line}: {problem}"),
        details={
            "problems": [
                {
                    "line": one.line,
                    "rule": one.rule,
                    "text": one.text,
                    "values": one.values,
                }
                for one in found
            ]
        },
        line=first.line,
        problem=first.text.format(**first.values),
    )
