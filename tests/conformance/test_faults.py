"""What goes wrong during a save, and leaves the desktop as it was."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshot_agent.capture.containerd import TaskState
from tests.fakes.fault_proxy import FaultProxy

from .agents import running_agent
from .nodes import Node
from .overlays import can_mount, touching
from .registries import RegistryServer, fake_registry

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    """Faults are the proxy's: one kind of registry is enough."""
    with fake_registry() as server:
        yield server


async def test_a_registry_that_is_away_before(
    node: Node, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.refuse = True
    async with running_agent(node, proxy.url, tmp_path / "agent") as agent:
        status = await agent.save()
        assert status["error"]["code"] == "registry_unavailable"
        assert "unharmed" in status["error"]["message"]
        assert agent.clean()
    if node.fake is not None:
        # It was noticed before anything was done to the desktop.
        assert ("pause", node.container_id) not in node.fake.calls
    node.check_alive()


async def test_a_registry_that_breaks_during_the_push(
    node: Node, proxy: FaultProxy, registry: RegistryServer, tmp_path: Path
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(6_000_000))
    async with running_agent(node, proxy.url, tmp_path / "agent") as agent:
        proxy.cut_after, proxy.cuts = 3_000_000, 2
        status = await agent.save()
        assert status["state"] == "succeeded", status
        assert proxy.broken == 2
        # No tag names anything while it is not whole, and no session stays open.
        assert registry.fake is not None and not registry.fake.uploads
        proxy.cuts = 1000
        (node.merged / "opt/more").write_bytes(os.urandom(6_000_000))
        status = await agent.save(number=2)
        assert status["error"]["code"] == "registry_unavailable"
        assert "v2" not in registry.fake.tags["desktops/alice/gis-course"]
        assert agent.clean()
    node.check_alive()


@pytest.mark.parametrize("step", ["read", "push"])
async def test_cancel(node: Node, proxy: FaultProxy, tmp_path: Path, step: str) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(80_000_000))
    async with running_agent(node, proxy.url, tmp_path / "agent") as agent:
        proxy.pause = 0.005
        started = await agent.start()
        while (await agent.status(started["id"]))["step"] != step:
            await asyncio.sleep(0.005)
        answer = await agent.http.delete(f"/v1/commits/{started['id']}")
        assert answer.status_code == 202
        status = await agent.wait(started["id"], 20)
        assert (status["state"], status["error"]["code"]) == ("cancelled", "cancelled")
        assert agent.clean()
    node.check_alive()


async def test_cancel_in_the_middle_of_one_large_file(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    size = 8 << 30
    with open(node.merged / "opt/holes", "wb") as file:
        file.truncate(size)
    async with running_agent(node, registry.url, tmp_path / "agent") as agent:
        started = await agent.start()
        status = started
        while not (status["step"] == "read" and status["bytes_done"]):
            await asyncio.sleep(0.005)
            status = await agent.status(started["id"])
        await agent.http.delete(f"/v1/commits/{started['id']}")
        status = await agent.wait(started["id"])
        assert (status["state"], status["step"]) == ("cancelled", "read")
        # It has not read that file to its end first.
        assert status["bytes_done"] < size
        assert agent.clean()
    node.check_alive()


async def test_two_saves_of_one_desktop(
    node: Node, proxy: FaultProxy, tmp_path: Path
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(50_000_000))
    async with running_agent(node, proxy.url, tmp_path / "agent") as agent:
        first = await agent.start()
        second = await agent.http.post("/v1/commits", json=agent.request())
        assert second.status_code == 409
        assert second.json()["error"]["code"] == "save_in_progress"
        assert (await agent.wait(first["id"]))["state"] == "succeeded"


async def test_a_freeze_that_reaches_its_deadline(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(50_000_000))
    with touching(big):
        traits = {"freeze_deadline": 0.001}
        async with running_agent(
            node, registry.url, tmp_path / "agent", **traits
        ) as agent:
            result = await agent.result()
            assert agent.clean()
    assert "/opt/big" in result["changed_while_saved"]
    assert node.state() is TaskState.RUNNING
    node.check_alive()


async def test_without_a_freeze_what_changed_is_named(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    busy = node.merged / "opt/busy"
    busy.write_bytes(os.urandom(5_000_000))
    with touching(busy):
        async with running_agent(
            node, registry.url, tmp_path / "agent", freeze=False
        ) as agent:
            result = await agent.result()
    assert result["changed_while_saved"] == ["/opt/busy"]
    assert result["seconds"]["freeze"] == 0


async def test_an_agent_that_is_told_to_stop_thaws(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(200_000_000))
    with touching(big):
        async with running_agent(node, registry.url, tmp_path / "agent") as agent:
            await agent.start()
            await asyncio.to_thread(node.await_state, TaskState.PAUSED)
    assert node.state() is TaskState.RUNNING
    assert agent.clean()
    node.check_alive()


async def test_containerd_crashes_while_the_desktop_stands_still(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    if node.daemon is None:
        pytest.skip("the fake has no containers of its own that could outlive it")
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(300_000_000))
    async with running_agent(node, registry.url, tmp_path / "agent") as agent:
        with touching(big):
            started = await agent.start()
            await asyncio.to_thread(node.await_state, TaskState.PAUSED)
            await asyncio.to_thread(node.daemon.restart)
        status = await agent.wait(started["id"], 90)
        # True either way: it was back before the end of the freeze, or the end says so.
        if status["state"] == "failed":
            assert status["error"]["code"] == "internal_error"
            assert "unharmed" in status["error"]["message"]
        else:
            assert status["state"] == "succeeded"
        assert node.state() is TaskState.RUNNING
        assert agent.clean()
        node.check_alive()
        assert (await agent.save(number=2))["state"] == "succeeded"
