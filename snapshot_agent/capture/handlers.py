"""The capture half's HTTP, on a unix socket: a closed set of verbs, each read as a stranger's."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from typing import Any, TypeVar

from tornado.iostream import StreamClosedError

from snapshot_agent import wire
from snapshot_agent.capture.captures import Captures
from snapshot_agent.capture.containerd import ContainerdError
from snapshot_agent.capture.images import NodeImages
from snapshot_agent.capture.session import CaptureSession
from snapshot_agent.errors import NodeError
from snapshot_agent.json_handler import JsonHandler
from snapshot_agent.requests import ID, match, own_image, text

T = TypeVar("T")


class CaptureHandler(JsonHandler):
    """One verb."""

    captures: Captures
    images: NodeImages
    root: str
    disk: str

    def initialize(
        self, captures: Captures, images: NodeImages, root: str, disk: str
    ) -> None:
        self.captures, self.images = captures, images
        self.root, self.disk = root, disk

    async def node(self, work: Callable[[], T]) -> T:
        """Ask containerd; its refusal is an answer."""
        try:
            return await asyncio.to_thread(work)
        except ContainerdError as error:
            raise NodeError(str(error)) from error


class HealthHandler(CaptureHandler):
    async def get(self) -> None:
        self.answer(200, {"status": "ok", "active_captures": self.captures.active})


class FindHandler(CaptureHandler):
    async def post(self) -> None:
        await self.captures.find(wire.place(self.body()))
        self.answer(200, {})


class BaseHandler(CaptureHandler):
    async def post(self) -> None:
        record = await self.captures.base(wire.place(self.body()))
        self.answer(200, record.to_dict())


class PreviewHandler(CaptureHandler):
    async def post(self) -> None:
        self.answer(200, await self.captures.preview(wire.look(self.body())))


class BlobSizeHandler(CaptureHandler):
    async def post(self) -> None:
        body = self.body()
        place, digest = wire.place(body), wire.digest(body)
        self.answer(200, {"size": await self.captures.blob_size(place, digest)})


class BlobHandler(CaptureHandler):
    async def post(self) -> None:
        body = self.body()
        digest = wire.digest(body)
        size = await self.captures.blob_size(wire.place(body), digest)
        if size is None:
            raise NodeError("the node has no such blob of this image")
        pieces = self.captures.blob(digest)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Length", str(size))
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                self.write(piece)
                await self.flush()
        except (ContainerdError, StreamClosedError):
            # What was promised does not come: whoever reads sees the end before it.
            self.detach().close()
        finally:
            await asyncio.to_thread(getattr(pieces, "close"))


class CapturesHandler(CaptureHandler):
    """A capture lasts as long as its connection: who goes away has let go of it."""

    _session: CaptureSession | None = None

    def on_connection_close(self) -> None:
        if self._session is not None:
            self._session.release()

    async def post(self) -> None:
        session = self.captures.begin(wire.capture_request(self.body()))
        self._session = session
        self.set_header("Content-Type", "application/x-ndjson")
        try:
            async for event in session.events():
                self.write(json.dumps(wire.event_line(event)) + "\n")
                await self.flush()
            await session.ended.wait()
        except StreamClosedError:
            pass
        finally:
            session.release()


class DropHandler(CaptureHandler):
    async def post(self) -> None:
        await self.captures.drop(match(_object(self.body()), "id", ID))
        self.answer(200, {})


class ImageSizeHandler(CaptureHandler):
    async def post(self) -> None:
        reference = own_image(_object(self.body()), self.root)
        size = await self.node(lambda: self.images.size(reference))
        self.answer(200, {"size": size})


class PullHandler(CaptureHandler):
    async def post(self) -> None:
        body = _object(self.body())
        reference = own_image(body, self.root)
        username = text(body, "username", 1000, empty=True)
        password = text(body, "password", 10_000, empty=True)
        login = (username, password) if username else None
        await self.node(lambda: self.images.pull(reference, login))
        self.answer(200, {})


class DiskHandler(CaptureHandler):
    async def get(self) -> None:
        usage = await asyncio.to_thread(shutil.disk_usage, self.disk)
        self.answer(200, {"free": usage.free, "total": usage.total})


class MissingHandler(CaptureHandler):
    async def prepare(self) -> None:
        self.answer(404, {"error": {"code": "not_found", "message": "No such verb."}})


def _object(body: Any) -> dict[str, Any]:
    return body if isinstance(body, dict) else {}


default_handlers: list[tuple[str, type[CaptureHandler]]] = [
    (r"/v1/health", HealthHandler),
    (r"/v1/find", FindHandler),
    (r"/v1/base", BaseHandler),
    (r"/v1/preview", PreviewHandler),
    (r"/v1/blob/size", BlobSizeHandler),
    (r"/v1/blob", BlobHandler),
    (r"/v1/captures", CapturesHandler),
    (r"/v1/captures/drop", DropHandler),
    (r"/v1/images/size", ImageSizeHandler),
    (r"/v1/images/pull", PullHandler),
    (r"/v1/disk", DiskHandler),
]
