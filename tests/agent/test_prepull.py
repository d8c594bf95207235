"""Fetching images beforehand: in order, within the budget, and what does not go is said."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application

from oci.auth import Credentials
from snapshot_agent.api.capture_client import CaptureClient
from snapshot_agent.api.prepull import Prepull, PrepullSettings
from snapshot_agent.capture import handlers as capture_handlers
from snapshot_agent.capture.images import NodeImages
from snapshot_agent.errors import AgentError, BadRequest
from snapshot_agent.requests import WantedImage, wanted_images
from tests.fakes.cri import FakeCri

ROOT = "localhost:30500/desktops/"


def wanted(name: str, size: int = 100) -> WantedImage:
    return WantedImage(f"{ROOT}{name}@sha256:{'a' * 64}", size)


class Node:
    """A prefetcher, and the half of the agent that speaks with a fake CRI."""

    def __init__(self, cri: FakeCri, capture: CaptureClient) -> None:
        self.cri = cri
        self.capture = capture

    def prepull(self, budget: int = 1000, keep_free: float = 0.0) -> Prepull:
        settings = PrepullSettings(budget, keep_free, interval=60)
        return Prepull(self.capture, settings, Credentials("desktops", "secret"))


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    # A socket's path is short: 107 characters.
    with tempfile.TemporaryDirectory() as folder:
        cri, path = FakeCri(), str(Path(folder) / "cri.sock")
        with cri.running(path):
            images, own = NodeImages(path), str(Path(folder) / "capture.sock")
            # Nothing here is about a desktop.
            parts = {"captures": None, "images": images, "root": ROOT, "disk": "/"}
            verbs = [(*one, parts) for one in capture_handlers.default_handlers]
            server = HTTPServer(Application(verbs))
            server.add_socket(bind_unix_socket(own))
            capture = CaptureClient(own)
            yield Node(cri, capture)
            await capture.close()
            server.stop()
            await server.close_all_connections()
            images.close()


async def states(prepull: Prepull, images: list[WantedImage]) -> list[str]:
    """Let a round go by; return how far each image is."""
    running = asyncio.create_task(prepull.run())
    prepull.want(images)
    for _ in range(1000):
        found = [one["state"] for one in prepull.want(images)]
        if not {"waiting", "pulling"} & set(found):
            break
        await asyncio.sleep(0.02)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return found


async def test_what_is_wanted_is_fetched_in_its_order(node: Node) -> None:
    images = [wanted("a/1"), wanted("a/2"), wanted("a/3")]
    node.cri.offered = {one.reference: one.size for one in images}
    node.cri.here = {images[1].reference: 100}
    assert await states(node.prepull(), images) == ["ready"] * 3
    assert node.cri.pulled == [
        (images[0].reference, "desktops"),
        (images[2].reference, "desktops"),
    ]


async def test_what_exceeds_the_budget_is_not_fetched(node: Node) -> None:
    images = [wanted("a/1", 600), wanted("a/2", 600), wanted("a/3", 300)]
    node.cri.offered = {one.reference: one.size for one in images}
    assert await states(node.prepull(), images) == ["ready", "no_room", "ready"]


async def test_what_is_here_counts_into_the_budget(node: Node) -> None:
    images = [wanted("a/1", 600), wanted("a/2", 600)]
    node.cri.offered = {images[1].reference: 600}
    node.cri.here = {images[0].reference: 600}
    assert await states(node.prepull(), images) == ["ready", "no_room"]


async def test_a_disk_that_would_get_full_is_spared(node: Node) -> None:
    images = [wanted("a/1")]
    node.cri.offered = {images[0].reference: 100}
    prepull = node.prepull(keep_free=1.0)
    assert await states(prepull, images) == ["no_room"]
    assert "disk" in prepull.want(images)[0]["why"]


async def test_one_that_cannot_be_had_does_not_hold_up_the_next(node: Node) -> None:
    images = [wanted("a/gone"), wanted("a/2")]
    node.cri.offered = {images[1].reference: 100}
    prepull = node.prepull()
    assert await states(prepull, images) == ["failed", "ready"]
    assert "not found" in prepull.want(images)[0]["why"]


async def test_a_new_wish_takes_the_place_of_the_old_one(node: Node) -> None:
    first, second = wanted("a/1"), wanted("a/2")
    node.cri.offered = {second.reference: 100, first.reference: 100}
    node.cri.let.clear()
    prepull = node.prepull()
    running = asyncio.create_task(prepull.run())
    prepull.want([first, wanted("a/3")])
    while not node.cri.pulled:
        await asyncio.sleep(0.02)
    prepull.want([second])
    node.cri.let.set()
    for _ in range(1000):
        if prepull.want([second])[0]["state"] == "ready":
            break
        await asyncio.sleep(0.02)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert [name for name, _ in node.cri.pulled] == [first.reference, second.reference]


async def test_the_node_itself_fetches_images_of_our_registry_only(node: Node) -> None:
    for name in ("evil.org/a", "localhost:30500/other/a"):
        reference = f"{name}@sha256:{'a' * 64}"
        with pytest.raises(AgentError) as refused:
            await node.capture.pull(reference, None)
        assert refused.value.code == "bad_request"
    assert node.cri.pulled == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"images": {}},
        {"images": [1]},
        {"images": [{"reference": f"{ROOT}a/b:v1", "size": 1}]},
        {"images": [{"reference": f"evil.org/a@sha256:{'a' * 64}", "size": 1}]},
        {"images": [{"reference": f"{ROOT}a@sha256:{'a' * 64}", "size": -1}]},
        {"images": [{"reference": f"{ROOT}a@sha256:{'a' * 64}", "size": True}]},
        {"images": [{"reference": f"{ROOT}a b@sha256:{'a' * 64}", "size": 1}]},
        {"images": [{"reference": f"{ROOT}a@sha256:{'a' * 64}"}] * 1001},
    ],
)
def test_only_images_of_our_registry_by_their_digest(body: Any) -> None:
    with pytest.raises(BadRequest):
        wanted_images(body, ROOT)
