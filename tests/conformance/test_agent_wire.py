"""The wire between hub_service and an agent, on the fake agent of the service's tests and on a
real one: hub_service's own client asks both, and their answers have the same shapes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub_service.clients.agent import AgentClient
from hub_service.errors import AgentError
from tests.fakes.agent import FakeAgent
from tests.images import Image

from .agents import running_agent
from .nodes import fake_node
from .overlays import can_mount
from .registries import fake_registry

pytestmark = pytest.mark.containerd

PACKAGES = {"added": list, "removed": list, "upgraded": list}
IMAGE = {"name": str, "digest": str}
SECONDS = dict.fromkeys(("plan", "read", "freeze", "push", "total"), float)
STEP = {
    "name": str,
    "state": str,
    "seconds": float,
    "bytes_done": int,
    "bytes_total": int | None,
}
STATUS = {
    "id": str,
    "state": str,
    "step": str,
    "bytes_done": int,
    "bytes_total": int | None,
    "rate": float,
    "steps": [STEP],
    "result": dict | None,
    "error": dict | None,
}
RESULT = {
    "digest": str,
    "reference": str,
    "base": IMAGE,
    "origin": IMAGE,
    "size": int,
    "layers": int,
    "new_bytes": int,
    "new_layers": dict,
    "unchanged": bool,
    "kept_layers": int,
    "joined_layers": list,
    "changed_bytes": int,
    "entries": int,
    "packages": PACKAGES,
    "biggest": list,
    "left_out": list,
    "changed_while_saved": list,
    "seconds": SECONDS,
    "peak_memory": int,
}
HOME = {"bytes": int, "entries": int, "on_volume": bool, "path": str, "biggest": list}
PREVIEW = {
    "bytes": int,
    "entries": int,
    "packages": PACKAGES,
    "home": HOME,
    "left_out": list,
    "biggest": list,
    "volumes": list,
    "seconds_estimate": float,
}


def check(value: Any, shape: Any, place: str = "answer") -> None:
    """Fail where a value has not the shape: every key, no other key, each of its type."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), place
        assert set(value) == set(shape), place
        for key, part in shape.items():
            check(value[key], part, f"{place}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), place
        for number, item in enumerate(value):
            check(item, shape[0], f"{place}[{number}]")
    else:
        wanted = int | float if shape is float else shape
        assert isinstance(value, wanted), f"{place}: {value!r} is no {shape}"


@dataclass
class Asked:
    """An agent, and hub_service's client of it."""

    client: AgentClient
    url: str
    pod_uid: str
    token: Path

    def body(self, **changes: Any) -> dict[str, Any]:
        """The request of a save."""
        body = {
            "id": uuid.uuid4().hex,
            "pod_uid": self.pod_uid,
            "container": "notebook",
            "owner": "alice",
            "image": "gis-course",
            "number": 1,
            "title": "GIS course",
            "description": "adds things",
            "include_home": True,
            "exclude": [],
        }
        return body | changes

    async def ended(self, id: str) -> dict[str, Any]:
        """Wait for the end of a save."""
        for _ in range(500):
            status = await self.client.status(self.url, id)
            assert status is not None
            check(status, STATUS)
            if status["state"] != "running":
                return status
            await asyncio.sleep(0.02)
        raise AssertionError(f"the save did not end: {status}")


@pytest.fixture(params=["fake", "real"])
async def asked(
    request: pytest.FixtureRequest, tmp_path: Path, image: Image
) -> AsyncIterator[Asked]:
    token = tmp_path / "token"
    token.write_text("hub-token\n")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        registry = stack.enter_context(fake_registry())
        if request.param == "fake":
            url = await stack.enter_async_context(FakeAgent(registry.url).running())
            pod_uid = "a-pod"
        else:
            if not can_mount():
                pytest.skip("overlay mounts need root with CAP_SYS_ADMIN")
            (tmp_path / "node").mkdir()
            node = stack.enter_context(fake_node(tmp_path / "node", image))
            (node.merged / "etc/new").write_text("new")
            agent = await stack.enter_async_context(
                running_agent(node, registry.url, tmp_path / "agent")
            )
            url, pod_uid = str(agent.http.base_url).rstrip("/"), agent.pod.uid
        yield Asked(AgentClient(http, token), url, pod_uid, token)


async def test_a_save(asked: Asked) -> None:
    body = asked.body()
    started = await asked.client.start(asked.url, body)
    check(started, STATUS)
    assert started["id"] == body["id"]
    status = await asked.ended(body["id"])
    assert status["state"] == "succeeded"
    assert [step["name"] for step in status["steps"]] == [
        "plan",
        "read",
        "freeze",
        "push",
        "manifest",
    ]
    check(status["result"], RESULT)


async def test_the_same_id_is_the_same_save(asked: Asked) -> None:
    body = asked.body()
    await asked.client.start(asked.url, body)
    first = await asked.ended(body["id"])
    again = await asked.client.start(asked.url, body)
    assert again["result"] == first["result"]


async def test_a_save_that_nobody_began(asked: Asked) -> None:
    assert await asked.client.status(asked.url, "unknown") is None
    await asked.client.cancel(asked.url, "unknown")


async def test_cancelling_what_has_ended_changes_nothing(asked: Asked) -> None:
    body = asked.body()
    await asked.client.start(asked.url, body)
    await asked.ended(body["id"])
    await asked.client.cancel(asked.url, body["id"])
    assert (await asked.ended(body["id"]))["state"] == "succeeded"


async def test_a_preview(asked: Asked) -> None:
    body = asked.body()
    wanted = {key: body[key] for key in ("pod_uid", "container", "owner")}
    preview = await asked.client.preview(asked.url, wanted)
    check(preview, PREVIEW)


async def test_a_wrong_token(asked: Asked) -> None:
    asked.token.write_text("wrong")
    with pytest.raises(AgentError) as refused:
        await asked.client.start(asked.url, asked.body())
    assert refused.value.code == "forbidden"
