"""Saving a running desktop as a version: asked for, carried out step by step, ended."""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hub_service.clients.agent import AgentClient
from hub_service.clients.kube import Cluster, SessionPod
from hub_service.clients.site import Site, cannot_stop
from hub_service.errors import AgentError, Conflict, PublicError, Unavailable, sentence
from hub_service.jobs.advancing import (
    WAITS_FOR_CLEANUP,
    end,
    stamped,
    still_going,
    wait,
)
from hub_service.jobs.share import share_of
from hub_service.jobs.targets import target
from hub_service.models import (
    CANCELLED,
    COMMIT,
    FAILED,
    PRIVATE,
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

log = logging.getLogger(__name__)

OVER = ("succeeded", "failed", "cancelled")
"""The ends of a save at its agent."""
STOPS_WITHIN = timedelta(minutes=2)
"""How long after a save "stop the desktop afterwards" is still what its person expects."""
ATTEMPTS = 3
"""How often an agent that lost a save (it was restarted) is given it again."""


@dataclass(frozen=True)
class CommitRequest:
    """What a person asked for in the save dialog."""

    server: Server
    title: str
    description: str
    include_home: bool
    exclude: Sequence[str]
    stop_after: bool
    start_test: bool = False
    """Whether its desktop must be seen to come up."""
    activate: bool = True
    """False keeps it for its owner, who makes it active when they like."""


class Commits:
    """The use-case of a commit.

    - everything that can refuse it is asked before the desktop is touched
    - a job's steps are safe to repeat: the agent knows a job by its id, the catalogue
      a version by its number and digest
    """

    def __init__(
        self,
        stores: Stores,
        cluster: Cluster,
        agents: AgentClient,
        site: Site,
        finishing: Finishing,
    ) -> None:
        self._catalogue = stores.catalogue
        self._jobs = stores.jobs
        self._cleanups = stores.cleanup_store
        self._store = stores.store
        self._finishing = finishing
        self._recording = stores.recording
        self._quotas = stores.quotas
        self._cluster = cluster
        self._agents = agents
        self._site = site

    async def preview(
        self,
        person: Person,
        server: Server,
        *,
        include_home: bool,
        exclude: Sequence[str],
    ) -> dict[str, Any]:
        """Return what a save of this desktop would take; the desktop is only read."""
        await self._site.require_saved_by(person, server)
        pod = await self._running_pod(server)
        agent = await self._cluster.agent_on(pod.node)
        body = {
            "pod_uid": pod.uid,
            "container": self._site.container(server),
            "owner": person.name,
            "pod_owner": server.user,
            "include_home": include_home,
            "exclude": list(exclude),
        }
        preview = await self._agents.preview(agent, body)
        allowance = self._quotas.allowance(person)
        return {
            **preview,
            "saved_before": self._last_save_of(person, pod) is not None,
            "image": self._suggestion(person, pod),
            "images": [one.to_dict() for one in self._catalogue.targets(person.name)],
            "quota": allowance.to_dict() if allowance.rules else None,
            "start_tests": self._finishing.tests,
            "can_stop": self._site.stops,
        }

    async def start(self, person: Person, request: CommitRequest) -> Job:
        """Record a save after asking whether it can be done; the reconciler carries it out."""
        await self._site.require_saved_by(person, request.server)
        if request.stop_after and not self._site.stops:
            raise cannot_stop()
        target(self._catalogue, self._jobs.open(), person.name, request.title)
        description = checked_description(request.description)
        pod = await self._running_pod(request.server)
        await self._cluster.agent_on(pod.node)
        await self._store.ping()
        needed = await self._needed(person, request)
        await self._site.keep_alive(request.server)
        # From here to the row nothing is awaited, so no second request comes in between.
        active = self._jobs.unfinished()
        _refuse_second(active, request.server)
        room = self._quotas.require_room(person, COMMIT, needed)
        image = target(self._catalogue, self._jobs.open(), person.name, request.title)
        return self._jobs.add(
            kind=COMMIT,
            id=uuid.uuid4().hex,
            owner=person.name,
            server=request.server,
            image=image.name,
            title=image.title,
            number=image.number,
            request={
                "pod_uid": pod.uid,
                "node": pod.node,
                "description": description,
                "include_home": request.include_home,
                "exclude": list(request.exclude),
                "stop_after": request.stop_after,
                "bytes": needed,
                "room": room,
                "start_test": request.start_test,
                "activate": request.activate and self._may_activate(person, image.name),
            },
        )

    def _may_activate(self, person: Person, name: str) -> bool:
        """Say whether a save may become what others start without its owner's looking at it.

        What is asked for inside of a desktop may be somebody else's who works in it.
        """
        image = self._catalogue.image(person.name, name)
        inside = person.session is not None and not self._site.owners_alone
        return image is None or image.visibility == PRIVATE or not inside

    async def started_from(self, person: Person) -> dict[Server, str]:
        """Return what each running server of a person was started from, as far as it is known."""
        try:
            return await self._site.images_of(person.name)
        except Unavailable as error:
            log.warning("What desktops were started from is not known now: %s", error)
            return {}

    async def stop(self, person: Person, server: Server) -> None:
        """Stop a desktop; not while it is being read for a save."""
        await self._site.require_saved_by(person, server)
        _refuse_second(self._jobs.unfinished(), server)
        await self._site.stop(server)

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
        """Do what belongs to the end of a job: stop the desktop if asked, leave no litter."""
        await self._finishing.follow_up(job)
        if job.state == SUCCEEDED:
            if job.request["stop_after"]:
                await self._stop(job)
        elif job.attempts:
            try:
                await self._end_there(job)
            finally:
                await self._recording.discard(job)

    async def _stop(self, job: Job) -> None:
        """Stop the desktop that was saved: not one that was started since, nor one in use again.

        Whoever sees their desktop run on a while after its save goes on working in it.
        """
        if datetime.now(UTC) - (job.ended or job.created) > STOPS_WITHIN:
            log.warning("Desktop %s runs on after job %s", job.server, job.id)
            return
        pod = await self._site.pod(job.server)
        if pod and pod.uid == job.request["pod_uid"]:
            await self._site.stop(job.server)

    async def _end_there(self, job: Job) -> None:
        """Let the agent end what has ended here: it would push what nobody waits for."""
        agent = await self._cluster.agent_on(job.request["node"])
        try:
            await self._agents.cancel(agent, job.id)
            status = await self._agents.status(agent, job.id)
        except AgentError as error:
            log.info("Job %s is over at its agent: %s", job.id, error)
            return
        if status and status["state"] not in OVER:
            raise still_going()

    async def _step(self, job: Job) -> dict[str, Any]:
        if job.result:
            return await self._finishing.carry_on(job)
        agent = await self._cluster.agent_on(job.request["node"])
        if job.cancel:
            await self._agents.cancel(agent, job.id)
        status = await self._agents.status(agent, job.id) if job.attempts else None
        if status:
            return await self._take(job, status)
        return end(CANCELLED) if job.cancel else await self._hand_over(job, agent)

    async def _hand_over(self, job: Job, agent: str) -> dict[str, Any]:
        """Give the job to the agent: the first time, or again after it was restarted."""
        if self._cleanups.under_way():
            return WAITS_FOR_CLEANUP
        if job.attempts >= ATTEMPTS:
            raise Conflict(
                "agent_lost",
                sentence(
                    "The program that reads desktops stopped {attempts} times during this save. "
                    "Your desktop is unharmed. Try again, or tell your administrator."
                ),
                attempts=job.attempts,
            )
        # Written down before the agent hears of it: after a crash in between, the agent is
        # asked for a job it may not know, which is answered; the other way round a job
        # could run that nobody asks for.
        self._jobs.update(job.id, attempts=job.attempts + 1)
        try:
            status = await self._agents.start(agent, self._body(job))
        except AgentError as error:
            if error.code != "too_many_saves":
                raise
            # The node is busy with other desktops: the job stays in the queue.
            return {"attempts": job.attempts, "silent_since": None}
        return {
            "state": RUNNING,
            "started": job.started or datetime.now(UTC),
            "progress": _progress(job, status),
            "silent_since": None,
        }

    async def _take(self, job: Job, status: dict[str, Any]) -> dict[str, Any]:
        """Take over what the agent says of a job."""
        changes: dict[str, Any] = {
            "progress": _progress(job, status),
            "silent_since": None,
        }
        if status["state"] == "failed":
            error = status["error"]
            told = AgentError(
                error["code"], error["message"], details=error.get("details")
            )
            return {**changes, **end(FAILED, error=told.to_dict())}
        if status["state"] == "cancelled":
            return {**changes, **end(CANCELLED)}
        if status["state"] == "succeeded":
            job = replace(job, progress=changes["progress"] or {})
            return {**changes, **await self._finishing.made(job, status["result"])}
        return {**changes, "state": RUNNING}

    async def _running_pod(self, server: Server) -> SessionPod:
        pod = await self._site.pod(server)
        if pod is None or not pod.running:
            raise Conflict(
                "server_not_running",
                sentence(
                    "This desktop is not running any more, so there is nothing to save."
                ),
            )
        return pod

    async def _needed(self, person: Person, request: CommitRequest) -> int:
        """Return how many bytes a save may add, where that is limited.

        What is kept is compressed, so it is less: nobody knows how much before it is done. What
        an earlier save of the same session holds already is not added again.
        """
        self._quotas.require_room(person, COMMIT)
        if self._quotas.allowance(person).bytes is None:
            return 0
        preview = await self.preview(
            person,
            request.server,
            include_home=request.include_home,
            exclude=request.exclude,
        )
        last = self._last_save_of(person, await self._running_pod(request.server))
        held = last.details.get("changed_bytes", 0) if last else 0
        return max(0, int(preview["bytes"]) - int(held))

    def _last_save_of(self, person: Person, pod: SessionPod) -> Version | None:
        """Return what the last save of a session has made, if that is still there."""
        jobs, _ = self._jobs.latest(person.name, state=SUCCEEDED, kind=COMMIT)
        for job in jobs:
            if job.request.get("pod_uid") != pod.uid:
                continue
            image = self._catalogue.image(job.owner, job.image)
            if image and (version := image.version(job.number)):
                return version
        return None

    def _suggestion(self, person: Person, pod: SessionPod) -> dict[str, Any] | None:
        """Return the person's own image that this desktop was started from."""
        page = self._catalogue.images_seen_by(person, owner=person.name, limit=1000)
        for image in page.items:
            if any(version.reference == pod.image for version in image.versions):
                number = self._catalogue.last_number(image.owner, image.name) + 1
                return {
                    "owner": image.owner,
                    "name": image.name,
                    "title": image.title,
                    "next_version": number,
                }
        return None

    def _body(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.id,
            "pod_uid": job.request["pod_uid"],
            "container": self._site.container(job.server),
            "owner": job.owner,
            "pod_owner": job.server.user,
            "image": job.image,
            "number": job.number,
            "title": job.title,
            "description": job.request["description"],
            "include_home": job.request["include_home"],
            "exclude": job.request["exclude"],
            "room": job.request.get("room"),
        }


def _refuse_second(active: Sequence[Job], server: Server) -> None:
    for job in active:
        # One that has its version leaves the desktop alone: what was made is being tried.
        if job.kind == COMMIT and job.server == server and not job.result:
            raise Conflict(
                "save_in_progress",
                sentence("This desktop is being saved already."),
                details={"job": job.id},
            )


def _progress(job: Job, status: dict[str, Any]) -> dict[str, Any]:
    told = ("step", "steps", "bytes_done", "bytes_total", "rate")
    share = share_of(job, status.get("steps") or ())
    return {**{key: status.get(key) for key in told}, "share": share}
