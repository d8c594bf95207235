"""A hub service to test its clients with: a real HTTP server with the wire of docs/api.md.

- Jobs go on only when the test says so (`advance`, `finish`, `fail_job`), or by themselves
  (`play`) for a person who looks on.
- Every failure a network has can be ordered: an error answer, silence, a cut connection, a cut
  stream of events.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from . import hub_service_builds, hub_service_handlers
from .hub_service_data import BASE, PREVIEW, STEPS, TOKEN, new_job, utc_now

__all__ = ["TOKEN", "Failure", "FakeHubService"]


@dataclass
class Failure:
    """How the next requests of one kind end instead of well."""

    status: int = 503
    code: str = "registry_unavailable"
    message: str = (
        "Not saved: the image store did not answer. Your desktop is unharmed."
    )
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0
    cut: bool = False
    times: int = 1


class FakeHubService:
    """The server and the knobs. Runs in a thread; every method may be called from the test."""

    def __init__(self) -> None:
        self.user = "alice"
        self.open_streams = 0
        self.play_seconds: float | None = None
        self.reset()
        self._changed: dict[str, asyncio.Event] = {}
        self._cut_streams = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._port = 0

    @property
    def url(self) -> str:
        """What DESKTOPS_API_URL is to be."""
        return f"http://127.0.0.1:{self._port}{BASE}"

    def reset(self) -> None:
        """Forget every job, request and ordered failure."""
        self.jobs: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.credentials = {f"token {TOKEN}", f"Bearer {TOKEN}"}
        self.preview: dict[str, Any] = json.loads(json.dumps(PREVIEW))
        self.failures: dict[str, Failure] = {}
        self.contexts: dict[str, bytes] = {}
        self.logs: dict[str, str] = {}
        self.keepalive = 25.0
        self.resumes = True

    def fail(self, what: str, failure: Failure) -> None:
        """Let the next `failure.times` requests of `what` ("POST /commits") go wrong."""
        self.failures[what] = failure

    def take_failure(self, what: str) -> Failure | None:
        """The failure that was ordered for this request, once for each time."""
        failure = self.failures.get(what)
        if failure is not None:
            failure.times -= 1
            if failure.times <= 0:
                del self.failures[what]
        return failure

    def cut_streams(self) -> None:
        """Break every open stream of events in the middle."""
        self._call(self._cut)

    def add_job(
        self, server: dict[str, str], title: str = "GIS course"
    ) -> dict[str, Any]:
        """A job that was begun elsewhere (another tab)."""
        job = new_job(server, title)
        self.jobs[job["id"]] = job
        return job

    def advance(
        self, job_id: str, step: str, done: int, total: int | None = None
    ) -> None:
        """Let the job be in `step` with so many bytes."""
        self._call(lambda: self._advance(job_id, step, done, total))

    def finish(self, job_id: str, **result: Any) -> None:
        """Let the job end well; what of its result is not as usual."""
        self.jobs[job_id]["result"] = result
        self._call(lambda: self._end(job_id, "succeeded", None))

    def fail_job(self, job_id: str, code: str, message: str) -> None:
        """Let the job end badly."""
        error = {"code": code, "message": message, "details": {"attempts": 5}}
        self._call(lambda: self._end(job_id, "failed", error))

    def print_log(self, job_id: str, text: str) -> None:
        """Let a build print something."""
        self.logs[job_id] = self.logs.get(job_id, "") + text
        self._call(lambda: self._notify(job_id))

    @contextmanager
    def running(self, port: int = 0) -> Iterator[FakeHubService]:
        """Serve until the end of the block."""
        started = threading.Event()
        thread = threading.Thread(target=self._serve, args=(port, started), daemon=True)
        thread.start()
        started.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)

    def start_job(self, job: dict[str, Any]) -> None:
        """Take a job; go on with it by itself when `play_seconds` is set."""
        self.jobs[job["id"]] = job
        if self.play_seconds:
            task = self._loop.create_task(self._play(job["id"], self.play_seconds))
            self._playing = task

    def cancel(self, job_id: str) -> None:
        """End a job as the person wished. On the server's thread only."""
        self._end(job_id, "cancelled", None)

    def changed(self, job_id: str) -> asyncio.Event:
        """Set at the next change of the job."""
        return self._changed.setdefault(job_id, asyncio.Event())

    @property
    def streams_cut(self) -> asyncio.Event:
        """Set when the open streams are to break."""
        return self._cut_streams

    def _serve(self, port: int, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        # Thread-bound: made on the loop that waits for it.
        self._cut_streams = asyncio.Event()
        server = HTTPServer(web.Application(self._routes()))
        sockets = bind_sockets(port, "127.0.0.1")
        self._port = sockets[0].getsockname()[1]
        server.add_sockets(sockets)
        self._loop.call_soon(started.set)
        self._loop.run_forever()
        server.stop()
        self._loop.run_until_complete(_give_up_tasks(self._loop))
        self._loop.run_until_complete(server.close_all_connections())
        self._loop.close()

    def _routes(self) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
        handlers = [
            *hub_service_handlers.default_handlers,
            *hub_service_builds.default_handlers,
        ]
        return [(path, handler, {"fake": self}) for path, handler in handlers]

    def _call(self, action: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(5)

    def _cut(self) -> None:
        self._cut_streams.set()
        self._cut_streams = asyncio.Event()

    def _advance(self, job_id: str, step: str, done: int, total: int | None) -> None:
        job = self.jobs[job_id]
        job.update(state="running", step=step, bytes_done=done, bytes_total=total)
        job["rate"] = 120_000_000 if total else None
        job["started"] = job["started"] or utc_now()
        names = [name for name, _ in STEPS]
        for entry in job["steps"]:
            order = names.index(entry["name"]) - names.index(step)
            entry["state"] = (
                "done" if order < 0 else "running" if order == 0 else "waiting"
            )
            if order < 0:
                entry["seconds"] = dict(STEPS)[entry["name"]]
            if order == 0:
                entry.update(bytes_done=done, bytes_total=total)
        self._notify(job_id)

    def _end(self, job_id: str, state: str, error: dict[str, Any] | None) -> None:
        job = self.jobs[job_id]
        job.update(state=state, error=error, ended=utc_now(), rate=None)
        for entry in job["steps"]:
            if state == "succeeded":
                entry.update(state="done", seconds=dict(STEPS)[entry["name"]])
            elif entry["state"] == "running":
                entry["state"] = "failed"
        if state == "succeeded":
            job["bytes_done"] = job["bytes_total"] = 171_000_000
        self._notify(job_id)

    def _notify(self, job_id: str) -> None:
        event = self._changed.pop(job_id, None)
        if event is not None:
            event.set()

    async def _play(self, job_id: str, seconds: float) -> None:
        beat = seconds / 24
        await asyncio.sleep(beat)
        self._advance(job_id, "plan", 0, None)
        for step, total in (
            ("read", 412_000_000),
            ("freeze", None),
            ("push", 171_000_000),
        ):
            for part in range(1, 11 if total else 2):
                await asyncio.sleep(beat)
                self._advance(job_id, step, (total or 0) * part // 10, total)
        for step in ("manifest", "verify"):
            await asyncio.sleep(beat)
            self._advance(job_id, step, 0, None)
        await asyncio.sleep(beat)
        self._end(job_id, "succeeded", None)


async def _give_up_tasks(loop: asyncio.AbstractEventLoop) -> None:
    tasks = [
        task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()
    ]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
