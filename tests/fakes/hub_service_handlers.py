"""What the fake hub service answers: who may ask, saves, jobs and their events."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tornado import web
from tornado.iostream import StreamClosedError

from .hub_service_data import BASE, new_job

if TYPE_CHECKING:
    from .hub_service import Failure, FakeHubService


class FakeHandler(web.RequestHandler):
    """Knows the fake; keeps what is asked, refuses what was ordered."""

    def initialize(self, fake: FakeHubService) -> None:
        """Take the fake."""
        self.fake = fake

    async def prepare(self) -> None:
        path = self.request.path.removeprefix(BASE)
        what = f"{self.request.method} {path}"
        self.fake.requests.append(
            {
                "what": what,
                "body": self._json(),
                "language": self.request.headers.get("Accept-Language"),
                "last_id": self.request.headers.get("Last-Event-ID"),
                "token": self.request.headers.get("Authorization"),
            }
        )
        if self.request.headers.get("Authorization") not in self.fake.credentials:
            self.refuse(403, "forbidden", "This token may not do that.")
            return
        failure = self.fake.take_failure(what)
        if failure is not None:
            await self._go_wrong(failure)

    def _json(self) -> Any:
        if self.request.headers.get("Content-Type") == "application/octet-stream":
            return None
        return json.loads(self.request.body or b"null")

    async def _go_wrong(self, failure: Failure) -> None:
        await asyncio.sleep(failure.seconds)
        if failure.cut:
            connection: Any = self.request.connection
            connection.stream.close()
            raise web.Finish
        if failure.status >= 400:
            self.refuse(failure.status, failure.code, failure.message, failure.details)

    def refuse(
        self,
        status: int,
        code: str,
        message: str,
        details: dict[str, Any] | None = None,
    ) -> None:
        self.set_status(status)
        self.finish(
            {"error": {"code": code, "message": message, "details": details or {}}}
        )

    def find(self, job_id: str) -> dict[str, Any]:
        job = self.fake.jobs.get(job_id)
        if job is None:
            self.refuse(404, "job_unknown", "There is no such job.")
            raise web.Finish
        return job


class Preview(FakeHandler):
    def post(self) -> None:
        body = json.loads(self.request.body)
        answer = json.loads(json.dumps(self.fake.preview))
        if not body.get("include_home", True):
            answer["bytes"] -= answer["home"]["bytes"]
        for path in body.get("exclude", ()):
            gone = [one for one in answer["biggest"] if one["path"] == path]
            answer["bytes"] -= sum(one["bytes"] for one in gone)
            answer["left_out"].append({"path": path, "reason": "asked", "bytes": 0})
        self.finish(answer)


class Commits(FakeHandler):
    def post(self) -> None:
        body = json.loads(self.request.body)
        active = [
            job
            for job in self.fake.jobs.values()
            if job["server"] == body["server"] and job["ended"] is None
        ]
        if active:
            self.refuse(409, "save_in_progress", "This desktop is being saved already.")
            return
        image = body["image"]
        job = new_job(body["server"], image if isinstance(image, str) else "GIS course")
        job["staged"] = not body.get("activate", True)
        self.fake.start_job(job)
        self.set_status(202)
        self.finish(job)


class Jobs(FakeHandler):
    def get(self) -> None:
        self.finish({"items": list(self.fake.jobs.values()), "next": None})


class Job(FakeHandler):
    def get(self, job_id: str) -> None:
        self.finish(self.find(job_id))

    def delete(self, job_id: str) -> None:
        job = self.find(job_id)
        if job["ended"] is None:
            self.fake.cancel(job_id)
        self.set_status(202)
        self.finish(job)


class Events(FakeHandler):
    async def get(self, job_id: str) -> None:
        self.find(job_id)
        self.set_header("Content-Type", "text/event-stream")
        self.fake.open_streams += 1
        try:
            await self._send(job_id)
        except StreamClosedError:
            return
        finally:
            self.fake.open_streams -= 1

    async def _send(self, job_id: str) -> None:
        cut = self.fake.streams_cut
        last_id = self.request.headers.get("Last-Event-ID", "0")
        logged = int(last_id) if self.fake.resumes else 0
        while True:
            job = self.fake.jobs[job_id]
            changed = self.fake.changed(job_id)
            logged = self._send_log(job_id, logged)
            self.write(f"event: job\ndata: {json.dumps(job)}\n\n")
            await self.flush()
            if job["ended"] is not None:
                break
            while not changed.is_set():
                await _first(changed, cut, self.fake.keepalive)
                if cut.is_set():
                    connection: Any = self.request.connection
                    connection.stream.close()
                    return
                if not changed.is_set():
                    self.write(": still there\n\n")
                    await self.flush()
        self.write("event: end\ndata: {}\n\n")

    def _send_log(self, job_id: str, start: int) -> int:
        text = self.fake.logs.get(job_id, "")[start:]
        if text:
            data = json.dumps({"offset": start, "text": text})
            self.write(f"id: {start + len(text)}\nevent: log\ndata: {data}\n\n")
        return start + len(text)


class Whoami(FakeHandler):
    """The hub's own: whose token this is."""

    def get(self) -> None:
        self.finish({"kind": "user", "name": self.fake.user})


async def _first(one: asyncio.Event, other: asyncio.Event, seconds: float) -> None:
    tasks = {asyncio.ensure_future(event.wait()) for event in (one, other)}
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


JOB = BASE + r"/jobs/([\w-]+)"
default_handlers: list[tuple[str, type[FakeHandler]]] = [
    (BASE + "/commits/preview", Preview),
    (BASE + "/commits", Commits),
    (BASE + "/jobs", Jobs),
    (JOB, Job),
    (JOB + "/events", Events),
    ("/hub/api/user", Whoami),
]
