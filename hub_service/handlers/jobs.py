"""Jobs: how far they are, and their end."""

import json

from tornado.iostream import StreamClosedError

from hub_service.handlers.base import READ, SAVE, ApiHandler, needs_scope
from hub_service.models import Job
from hub_service.rules.policy import require_cancelled_by, require_own_job
from hub_service.stores.records import number_of

KEEPALIVE = 25.0
"""Seconds of silence after which a comment is sent: proxies cut silent streams at 30 or 60."""


class JobsHandler(ApiHandler):
    """The jobs of a person."""

    @needs_scope(READ)
    async def get(self) -> None:
        """List jobs, newest first; administrators ask for everybody's with `all=true`."""
        everybody = self.person.admin and self.get_query_argument("all", "") == "true"
        filters = ("q", "state", "kind", "cursor")
        query, state, kind, cursor = [
            self.get_query_argument(name, "") for name in filters
        ]
        jobs, following = self.services.jobs.latest(
            None if everybody else self.person.name,
            query=query,
            state=state,
            kind=kind,
            cursor=cursor,
        )
        items = [self.views.job(job, self._) for job in jobs]
        self.send({"items": items, "next": following})


class OwnJobHandler(ApiHandler):
    """Knows the person's job of an address."""

    def own(self, id: str) -> Job:
        """Return the person's job, or raise NotFound."""
        return require_own_job(self.person, self.services.jobs.get(id))


class JobHandler(OwnJobHandler):
    """One job."""

    @needs_scope(READ)
    async def get(self, id: str) -> None:
        """Return a job."""
        self.send(self.views.job(self.own(id), self._))

    @needs_scope(SAVE)
    async def delete(self, id: str) -> None:
        """Cancel a job; one that has ended stays as it is."""
        job = self.own(id)
        require_cancelled_by(self.person, job)
        if job.unfinished:
            job = self.services.jobs.cancel(self.person.name, id)
            self.services.reconciler.wake()
            self.services.feed.changed(id)
        self.send(self.views.job(job, self._), status=202)


class JobEventsHandler(OwnJobHandler):
    """The progress of a job as server-sent events."""

    @needs_scope(READ)
    async def get(self, id: str) -> None:
        """Send the job at once and after each change, until it ends or the client is gone.

        Of a build also the log, from where the client has it: an event's id is the number of
        characters up to its end, and comes back as Last-Event-ID after a broken connection.
        """
        self.own(id)
        self._logged = number_of(self.request.headers.get("Last-Event-ID", "")) or 0
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("X-Accel-Buffering", "no")
        try:
            async for changed in self.services.feed.changes(id, KEEPALIVE):
                if not changed:
                    await self._send(": still here\n\n")
                    continue
                job = self.own(id)
                await self._send_log(id)
                await self._send(
                    f"event: job\ndata: {json.dumps(self.views.job(job, self._))}\n\n"
                )
                if not job.unfinished:
                    await self._send("event: end\ndata: {}\n\n")
                    return
        except StreamClosedError:
            # The person closed the page: the job goes on.
            return

    async def _send_log(self, id: str) -> None:
        text = self.services.logs.text(id, self._logged)
        if text:
            start, self._logged = self._logged, self._logged + len(text)
            data = json.dumps({"offset": start, "text": text})
            await self._send(f"id: {self._logged}\nevent: log\ndata: {data}\n\n")

    async def _send(self, text: str) -> None:
        self.write(text)
        await self.flush()


default_handlers = [
    (r"api/v1/jobs", JobsHandler),
    (r"api/v1/jobs/([0-9a-f]{32})", JobHandler),
    (r"api/v1/jobs/([0-9a-f]{32})/events", JobEventsHandler),
]
