"""The agent's HTTP: authorise, read, call one thing, answer."""

from __future__ import annotations

from dataclasses import dataclass

from snapshot_agent.api.auth import Gate
from snapshot_agent.api.capture_client import CaptureClient
from snapshot_agent.api.metrics import Metrics
from snapshot_agent.api.prepull import Prepull
from snapshot_agent.api.saves import Saves
from snapshot_agent.json_handler import JsonHandler
from snapshot_agent.requests import commit_request, preview_request, wanted_images


@dataclass(frozen=True)
class Parts:
    """What handlers work with; `root` is what every reference of our registry begins with."""

    saves: Saves
    gate: Gate
    metrics: Metrics
    prepull: Prepull
    capture: CaptureClient
    root: str


class AgentHandler(JsonHandler):
    """Answers from the parts."""

    parts: Parts

    def initialize(self, parts: Parts) -> None:
        self.parts = parts


class PrivateHandler(AgentHandler):
    """Nothing without a token for this agent."""

    async def prepare(self) -> None:
        await self.parts.gate.check(self.request.headers.get("Authorization", ""))


class CommitsHandler(PrivateHandler):
    async def post(self) -> None:
        status = await self.parts.saves.start(commit_request(self.body()))
        self.answer(202, status.to_dict())


class CommitHandler(PrivateHandler):
    async def get(self, save_id: str) -> None:
        status = await self.parts.saves.get(save_id)
        self.answer(200, status.to_dict())

    async def delete(self, save_id: str) -> None:
        status = await self.parts.saves.cancel(save_id)
        self.answer(202, status.to_dict())


class PreviewHandler(PrivateHandler):
    async def post(self) -> None:
        self.answer(200, await self.parts.saves.preview(preview_request(self.body())))


class ImagesHandler(PrivateHandler):
    async def put(self) -> None:
        wanted = wanted_images(self.body(), self.parts.root)
        self.answer(200, {"images": self.parts.prepull.want(wanted)})


class HealthHandler(AgentHandler):
    async def get(self) -> None:
        self.answer(200, {"status": "ok", "active_saves": self.parts.saves.active})


class ReadyHandler(AgentHandler):
    async def get(self) -> None:
        # Who answers without the half that reads desktops can save none.
        await self.parts.capture.check()
        self.answer(200, {"status": "ok"})


class MetricsHandler(AgentHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self.parts.metrics.text())


class MissingHandler(AgentHandler):
    async def prepare(self) -> None:
        self.answer(404, {"error": {"code": "not_found", "message": "No such page."}})


default_handlers: list[tuple[str, type[AgentHandler]]] = [
    (r"/v1/commits", CommitsHandler),
    (r"/v1/commits/([^/]+)", CommitHandler),
    (r"/v1/preview", PreviewHandler),
    (r"/v1/images", ImagesHandler),
    (r"/healthz", HealthHandler),
    (r"/readyz", ReadyHandler),
    (r"/metrics", MetricsHandler),
]
