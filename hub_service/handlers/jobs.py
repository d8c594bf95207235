"""Jobs: how far they are, and their end."""

import json

from tornado.iostream import StreamClosedError

from hub_service.handlers.base import READ, WRITE, ApiHandler, needs_scope
from hub_service.models import Job
from hub_service.policy import require_own_job

KEEPALIVE = 25.0
"""Seconds of silence after which a comment is sent: proxies cut silent streams at 30 or 60."""


class JobsHandler(ApiHandler):
    """The jobs of a person."""

    @needs_scope(READ)
    async def get(self) -> None:
        """List jobs, newest first; administrators ask for everybody's with `all=true`."""
        everybody = self.person.admin and self.get_query_argument("all", "") == "true"
        jobs = self.services.jobs.latest(None if everybody else self.person.name)
        self.send(
            {"items": [self.views.job(job, self._) for job in jobs], "next": None}
        )


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

    @needs_scope(WRITE)
    async def delete(self, id: str) -> None:
        """Cancel a job; one that has ended stays as it is."""
        job = self.own(id)
        if job.unfinished:
            job = self.services.jobs.update(id, cancel=True)
            self.services.reconciler.wake()
            self.services.feed.changed(id)
        self.send(self.views.job(job, self._), status=202)


class JobEventsHandler(OwnJobHandler):
    """The progress of a job as server-sent events."""

    @needs_scope(READ)
    async def get(self, id: str) -> None:
        """Send the job at once and after each change, until it ends or the client is gone."""
        self.own(id)
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("X-Accel-Buffering", "no")
        try:
            async for changed in self.services.feed.changes(id, KEEPALIVE):
                if not changed:
                    await self._send(": still here\n\n")
                    continue
                job = self.own(id)
                await self._send(
                    f"event: job\ndata: {json.dumps(self.views.job(job, self._))}\n\n"
                )
                if not job.unfinished:
                    await self._send("event: end\ndata: {}\n\n")
                    return
        except StreamClosedError:
            # The person closed the page: the job goes on.
            return

    async def _send(self, text: str) -> None:
        self.write(text)
        await self.flush()


default_handlers = [
    (r"api/v1/jobs", JobsHandler),
    (r"api/v1/jobs/([0-9a-f]{32})", JobHandler),
    (r"api/v1/jobs/([0-9a-f]{32})/events", JobEventsHandler),
]
