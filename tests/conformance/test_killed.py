"""Either half of the agent is killed, at every step; its successor sets right what it has left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snapshot_agent.capture.containerd import TaskState
from tests.fakes.fault_proxy import FaultProxy

from .nodes import Node
from .overlays import can_mount, touching
from .programs import API, CAPTURE, Programs, running_programs
from .registries import RegistryServer, fake_registry

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]

STEPS = ("plan", "read", "freeze", "push", "manifest")
HALVES = (CAPTURE, API)


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    """What is left of a save does not depend on the kind of registry."""
    with fake_registry() as server:
        yield server


@pytest.fixture
async def programs(
    node: Node, proxy: FaultProxy, tmp_path: Path
) -> AsyncIterator[Programs]:
    # Time enough to be killed while the desktop stands still.
    async with running_programs(node, proxy.url, tmp_path, freeze_budget=60.0) as made:
        yield made


async def after_a_kill(
    programs: Programs, node: Node, started: dict[str, Any], half: str
) -> None:
    """The desktop runs, nothing is left, and the same request again ends well."""
    agent = programs.agent
    if half == CAPTURE:
        await not_asked_again(programs, started["id"])
    programs.half(half).start_again()
    assert node.state() is TaskState.RUNNING
    node.check_alive()
    await asyncio.wait_for(forgotten(programs, started["id"]), 20)
    await programs.is_clean()
    status = await agent.save(id=started["id"])
    assert status["state"] == "succeeded", status
    node.check_alive()
    assert agent.clean()


async def not_asked_again(programs: Programs, save_id: str) -> None:
    """Nobody could do it now: who asks waits, and does not give it to an agent that is lame."""
    while True:
        answer = await programs.agent.http.get(f"/v1/commits/{save_id}")
        if answer.status_code == 500:
            assert answer.json()["error"]["code"] == "internal_error"
            assert (await programs.agent.http.get("/readyz")).status_code == 500
            assert (await programs.agent.http.get("/healthz")).status_code == 200
            return
        assert answer.json()["state"] in ("running", "failed"), answer.json()
        await asyncio.sleep(0.05)


async def forgotten(programs: Programs, save_id: str) -> None:
    """Until the agent says that it knows no such save, so that whoever asked asks again."""
    while True:
        answer = await programs.agent.http.get(f"/v1/commits/{save_id}")
        if answer.status_code == 404:
            assert answer.json()["error"]["code"] == "commit_unknown"
            return
        assert answer.json()["state"] in ("running", "failed"), answer.json()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("half", HALVES)
async def test_killed_while_the_desktop_stands_still(
    node: Node, programs: Programs, half: str
) -> None:
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(300_000_000))
    with touching(big):
        started = await programs.agent.start()
        await asyncio.to_thread(node.await_state, TaskState.PAUSED)
        programs.half(half).kill()
    if half == CAPTURE:
        # Nobody is left who could thaw it, but the one that comes.
        assert node.state() is TaskState.PAUSED
        assert list(programs.agent.state.iterdir())
    else:
        await asyncio.to_thread(node.await_state, TaskState.RUNNING)
    await after_a_kill(programs, node, started, half)


@pytest.mark.parametrize("half", HALVES)
async def test_killed_in_the_middle_of_the_reading(
    node: Node, programs: Programs, registry: RegistryServer, half: str
) -> None:
    # A minute of zeros: whatever the machine, it is still at them when it is killed.
    with open(node.merged / "opt/holes", "wb") as file:
        file.truncate(60 << 30)
    started = await programs.agent.start()
    await programs.reaches(
        started, lambda status: status["step"] == "read" and status["bytes_done"] > 0
    )
    programs.half(half).kill()
    assert registry.fake is not None and not registry.fake.tags
    (node.merged / "opt/holes").unlink()
    await after_a_kill(programs, node, started, half)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("step", STEPS)
async def test_killed_as_a_step_begins(
    node: Node, proxy: FaultProxy, programs: Programs, half: str, step: str
) -> None:
    if node.fake is None and step in ("plan", "manifest"):
        pytest.skip("nothing of containerd is under way in these steps")
    (node.merged / "opt/big").write_bytes(os.urandom(60_000_000))
    # What is sent goes slowly, so that the last steps can be caught.
    proxy.pause = 0.005
    agent = programs.agent
    started = await agent.start()
    begun = STEPS.index(step)
    while STEPS.index((status := await agent.status(started["id"]))["step"]) < begun:
        assert status["state"] == "running", status
    programs.half(half).kill()
    proxy.pause = 0
    if half == CAPTURE and step in ("push", "manifest"):
        await ends_or_is_forgotten(programs, started["id"])
        programs.capture.start_again()
        await programs.is_clean()
        node.check_alive()
        assert (await agent.save(number=2))["state"] == "succeeded"
        return
    await after_a_kill(programs, node, started, half)


async def ends_or_is_forgotten(programs: Programs, save_id: str) -> None:
    """A push does not need the half that has read, as long as its files are there."""
    for _ in range(2000):
        answer = await programs.agent.http.get(f"/v1/commits/{save_id}")
        if answer.status_code in (404, 500) or answer.json()["state"] == "succeeded":
            return
        assert answer.json()["state"] == "running", answer.json()
        await asyncio.sleep(0.02)
    raise AssertionError("the save did not end")


@pytest.mark.parametrize("half", HALVES)
async def test_killed_during_the_push(
    node: Node,
    proxy: FaultProxy,
    registry: RegistryServer,
    programs: Programs,
    half: str,
) -> None:
    if node.fake is None:
        pytest.skip("what is left in the registry does not depend on containerd")
    assert registry.fake is not None
    (node.merged / "opt/big").write_bytes(os.urandom(30_000_000))
    proxy.pause = 0.02
    started = await programs.agent.start()
    await programs.reaches(
        started,
        lambda status: status["step"] == "push" and status["bytes_done"] > 3_000_000,
    )
    programs.half(half).kill()
    if half == CAPTURE:
        # Its successor empties the spool while the other half still sends from it.
        programs.capture.start_again()
        proxy.pause = 0
        await ends_or_is_forgotten(programs, started["id"])
    else:
        assert registry.fake.uploads
        proxy.pause = 0
        programs.api.start_again()
    await programs.is_clean()
    assert not registry.fake.uploads
    node.check_alive()


async def test_both_are_stopped_and_leave_nothing(
    node: Node, programs: Programs
) -> None:
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(200_000_000))
    with touching(big):
        await programs.agent.start()
        await asyncio.to_thread(node.await_state, TaskState.PAUSED)
        stops: list[Callable[[], int]] = [programs.api.stop, programs.capture.stop]
        ends = await asyncio.gather(*(asyncio.to_thread(stop) for stop in stops))
    assert ends == [0, 0], programs.capture.log.read_text()
    node.check_alive()
    assert programs.agent.clean()
