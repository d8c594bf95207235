"""What the page asks of its own server; everything about saving goes on to the image service."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from .errors import BadRequest, CannotSave, ServiceError
from .hub_service import HubService
from .ready import Desktop
from .session import Session

KEY = "jupyter_desktop_save"
# BCP 47, as far as a header may carry it on.
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_JOB = r"(?P<job_id>[A-Za-z0-9_.-]+)"
_COMMIT_FIELDS = (
    *("image", "description", "include_home", "exclude"),
    *("stop_after", "start_test", "activate"),
)


class Handler(APIHandler):
    """The parts that every request needs."""

    @property
    def session(self) -> Session:
        """What this session is."""
        session: Session = self.settings[KEY]["session"]
        return session

    @property
    def desktop(self) -> Desktop:
        """The desktop of this container."""
        desktop: Desktop = self.settings[KEY]["desktop"]
        return desktop

    @property
    def service(self) -> HubService:
        """The image service, or CannotSave."""
        service: HubService | None = self.settings[KEY]["service"]
        if service is None:
            raise CannotSave()
        return service

    @property
    def language(self) -> str:
        """The language that the page asks for, else the browser's: the service speaks to people."""
        header = self.request.headers.get("Accept-Language", "en")
        asked = self.get_query_argument("language", "")
        return asked if _LANGUAGE.fullmatch(asked) else header

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent; an empty body is an empty object."""
        try:
            body = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise BadRequest() from error
        if not isinstance(body, dict):
            raise BadRequest()
        return body

    async def forward(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> Any:
        """Ask the image service in the person's language."""
        return await self.service.request(
            method, path, language=self.language, body=body
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in the one shape of all errors."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(error, ServiceError):
            reason = getattr(error, "log_message", None) or self._reason
            code = "signed_out" if status_code == 403 else "internal_error"
            error = ServiceError(status=status_code, code=code, message=str(reason))
        self.set_status(error.status)
        self.set_header("Content-Type", "application/json")
        self.finish(error.to_dict())

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A refusal is one line; anything unforeseen keeps its trace."""
        if isinstance(value, ServiceError):
            self.log.warning("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)


class SessionHandler(Handler):
    """`session`: whose desktop this is and whether it can be saved."""

    @web.authenticated
    def get(self) -> None:
        """No secret is in it."""
        self.finish(self.session.to_dict())


class ReadyHandler(Handler):
    """`ready`: how far the desktop's start is."""

    @web.authenticated
    async def get(self) -> None:
        """Asked every second while the page loads."""
        self.finish(await self.desktop.state())


class PreviewHandler(Handler):
    """`preview`: what a save would take."""

    @web.authenticated
    async def post(self) -> None:
        """The server is always this one, whatever is sent."""
        body = self.body()
        wanted = {
            "server": self.session.server_ref,
            "include_home": bool(body.get("include_home", True)),
            "exclude": list(body.get("exclude") or []),
        }
        self.finish(await self.forward("POST", "/commits/preview", wanted))


class CommitsHandler(Handler):
    """`commits`: save this desktop."""

    @web.authenticated
    async def post(self) -> None:
        """202 and the job."""
        body = self.body()
        wanted = {name: body[name] for name in _COMMIT_FIELDS if name in body}
        wanted["server"] = self.session.server_ref
        job = await self.forward("POST", "/commits", wanted)
        self.set_status(202)
        self.finish(job)


class JobsHandler(Handler):
    """`jobs`: the saves of this desktop since it was started, newest first."""

    @web.authenticated
    async def get(self) -> None:
        """Only this desktop's: another, or an earlier one of the same name, was not this."""
        jobs = await self.forward("GET", "/jobs")
        started: datetime = self.settings["started"]
        mine = [
            job
            for job in jobs["items"]
            if job["kind"] == "commit"
            and job["server"] == self.session.server_ref
            and datetime.fromisoformat(job["created"]) >= started
        ]
        mine.sort(key=lambda job: str(job["created"]), reverse=True)
        self.finish({"items": mine, "next": None})


class JobHandler(Handler):
    """`jobs/{id}`: one save."""

    @web.authenticated
    async def get(self, job_id: str) -> None:
        """Its state now."""
        self.finish(await self.forward("GET", f"/jobs/{job_id}"))

    @web.authenticated
    async def delete(self, job_id: str) -> None:
        """Cancel it."""
        job = await self.forward("DELETE", f"/jobs/{job_id}")
        self.set_status(202)
        self.finish(job or {})


class EventsHandler(Handler):
    """`jobs/{id}/events`: a save as it goes on, passed through byte by byte."""

    def initialize(self) -> None:
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        self._gone.set()
        super().on_connection_close()

    @web.authenticated
    async def get(self, job_id: str) -> None:
        """Ends when the service ends it or the page goes away, whichever is first."""
        path = f"/jobs/{job_id}/events"
        async with self.service.events(path, language=self.language) as chunks:
            self.set_header("Content-Type", "text/event-stream")
            self.set_header("Cache-Control", "no-store")
            # A reverse proxy that collects a whole answer would hold every event back.
            self.set_header("X-Accel-Buffering", "no")
            await self.flush()
            await self._pump(chunks)

    async def _pump(self, chunks: AsyncIterator[bytes]) -> None:
        copy = asyncio.ensure_future(self._copy(chunks))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({copy, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (copy, gone):
                task.cancel()
            await asyncio.gather(copy, gone, return_exceptions=True)

    async def _copy(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            try:
                self.write(chunk)
                await self.flush()
            except StreamClosedError:
                return


def save_handlers(base: str) -> list[tuple[str, Any]]:
    """The routes below `base` (which ends with a slash)."""
    root = base + "desktop-save/"
    return [
        (root + "session", SessionHandler),
        (root + "ready", ReadyHandler),
        (root + "preview", PreviewHandler),
        (root + "commits", CommitsHandler),
        (root + "jobs", JobsHandler),
        (root + f"jobs/{_JOB}", JobHandler),
        (root + f"jobs/{_JOB}/events", EventsHandler),
    ]
