"""The agent's HTTP: authorise, read, call one thing, answer."""

from __future__ import annotations

import json
import logging
from typing import Any

from tornado.web import RequestHandler

from .auth import Gate
from .errors import AgentError, BadRequest, InternalError
from .metrics import Metrics
from .prepull import Prepull
from .requests import commit_request, preview_request, wanted_images
from .saves import Saves

log = logging.getLogger(__name__)


class AgentHandler(RequestHandler):
    """JSON in and out; every failure has the shape {"error": {"code", "message", "details"}}."""

    saves: Saves
    gate: Gate
    metrics: Metrics

    prepull: Prepull
    root: str

    def initialize(
        self, saves: Saves, gate: Gate, metrics: Metrics, prepull: Prepull, root: str
    ) -> None:
        self.saves, self.gate, self.metrics = saves, gate, metrics
        self.prepull, self.root = prepull, root

    def set_default_headers(self) -> None:
        self.set_header("Server", "jupyterhub-desktops")

    def answer(self, status: int, content: dict[str, Any]) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(content))

    def body(self) -> Any:
        try:
            return json.loads(self.request.body)
        except ValueError as error:
            raise BadRequest("The request's body is not JSON.") from error

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        # An AgentError is an answer; anything else is logged once, in write_error.
        if not isinstance(value, AgentError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(error, AgentError):
            error = InternalError(
                self._reason or "The agent failed in a way not foreseen."
            )
            error.status = status_code
        self.answer(error.status, {"error": error.to_dict()})


class PrivateHandler(AgentHandler):
    """Nothing without a token for this agent."""

    async def prepare(self) -> None:
        await self.gate.check(self.request.headers.get("Authorization", ""))


class CommitsHandler(PrivateHandler):
    async def post(self) -> None:
        status = await self.saves.start(commit_request(self.body()))
        self.answer(202, status.to_dict())


class CommitHandler(PrivateHandler):
    async def get(self, save_id: str) -> None:
        self.answer(200, self.saves.get(save_id).to_dict())

    async def delete(self, save_id: str) -> None:
        status = await self.saves.cancel(save_id)
        self.answer(202, status.to_dict())


class PreviewHandler(PrivateHandler):
    async def post(self) -> None:
        self.answer(200, await self.saves.preview(preview_request(self.body())))


class ImagesHandler(PrivateHandler):
    async def put(self) -> None:
        wanted = wanted_images(self.body(), self.root)
        self.answer(200, {"images": self.prepull.want(wanted)})


class HealthHandler(AgentHandler):
    async def get(self) -> None:
        self.answer(200, {"status": "ok", "active_saves": self.saves.active})


class MetricsHandler(AgentHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self.metrics.text())


class MissingHandler(AgentHandler):
    async def prepare(self) -> None:
        self.answer(404, {"error": {"code": "not_found", "message": "No such page."}})


default_handlers: list[tuple[str, type[AgentHandler]]] = [
    (r"/v1/commits", CommitsHandler),
    (r"/v1/commits/([^/]+)", CommitHandler),
    (r"/v1/preview", PreviewHandler),
    (r"/v1/images", ImagesHandler),
    (r"/healthz", HealthHandler),
    (r"/metrics", MetricsHandler),
]
