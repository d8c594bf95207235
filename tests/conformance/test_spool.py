"""Small disks and limits: a save that has no room ends, and nothing else does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .agents import running_agent
from .nodes import Node, run
from .overlays import can_mount, touching
from .registries import RegistryServer, fake_registry

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    """Room on the node has nothing to do with the kind of registry."""
    with fake_registry() as server:
        yield server


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)])
    try:
        yield folder
    finally:
        run(["umount", str(folder)])


async def test_a_spool_that_is_too_small(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(90_000_000))
    with small_disk(tmp_path / "small", "size=100M") as spool:
        traits = {"spool_dir": str(spool)}
        async with running_agent(
            node, registry.url, tmp_path / "agent", **traits
        ) as agent:
            status = await agent.save()
            assert status["error"]["code"] == "disk_full"
            # Seen in the plan, before anything was read.
            assert status["step"] == "plan"
            assert agent.clean()
    node.check_alive()


async def test_a_spool_that_fills_up(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(90_000_000))
    with small_disk(tmp_path / "small", "size=120M") as spool:
        traits = {"spool_dir": str(spool)}
        async with running_agent(
            node, registry.url, tmp_path / "agent", **traits
        ) as agent:
            # It does not compress, and somebody else fills the disk meanwhile.
            started = await agent.start()
            (spool / "other").write_bytes(bytes(50_000_000))
            status = await agent.wait(started["id"])
            assert status["error"]["code"] == "disk_full"
            assert status["step"] in ("plan", "read")
            (spool / "other").unlink()
            assert agent.clean()
    node.check_alive()


@pytest.mark.parametrize("broken", ["no_inode", "read_only"])
async def test_a_spool_in_which_nothing_can_be_made(
    node: Node, registry: RegistryServer, tmp_path: Path, broken: str
) -> None:
    (node.merged / "opt/new").write_text("new")
    # One inode is the folder's own, and the next one the agent's first look.
    with small_disk(tmp_path / "small", "nr_inodes=2") as spool:
        traits = {"spool_dir": str(spool)}
        async with running_agent(
            node, registry.url, tmp_path / "agent", **traits
        ) as agent:
            if broken == "no_inode":
                (spool / "other").write_bytes(b"")
            else:
                run(["mount", "-o", "remount,ro", str(spool)])
            status = await agent.save()
            assert status["state"] == "failed"
            codes = {"no_inode": "disk_full", "read_only": "internal_error"}
            assert status["error"]["code"] == codes[broken]
            assert "unharmed" in status["error"]["message"]
            # It does not count as being saved for ever.
            assert (await agent.http.get("/healthz")).json()["active_saves"] == 0
            again = await agent.save(number=2)
            assert again["state"] == "failed"
    node.check_alive()


@pytest.mark.parametrize(
    ("limit", "step"), [("110M", "plan"), ("240M", "read"), ("400M", "freeze")]
)
async def test_a_limit_that_is_below_the_disk(
    node: Node, registry: RegistryServer, tmp_path: Path, limit: str, step: str
) -> None:
    """The kubelet's limit for the spool: the save ends before the kubelet ends the agent."""
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(250_000_000))
    async with running_agent(
        node, registry.url, tmp_path / "agent", spool_limit=limit
    ) as agent:
        with touching(big):
            status = await agent.save()
        assert status["error"]["code"] == "disk_full"
        assert status["step"] == step
        assert agent.clean()
        # What it had taken is there again: a smaller save ends well.
        big.write_bytes(os.urandom(50_000_000))
        assert (await agent.save(number=2))["state"] == "succeeded"
    node.check_alive()


async def test_two_saves_share_one_limit(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    if node.fake is None:
        pytest.skip("a second container is made up more easily than made")
    (node.merged / "opt/big").write_bytes(os.urandom(150_000_000))
    async with running_agent(
        node, registry.url, tmp_path / "agent", spool_limit="250M"
    ) as agent:
        agent.add_pod(node, "other")
        first, second = await agent.start(), await agent.start(pod_uid="other")
        ends = [await agent.wait(one["id"]) for one in (first, second)]
        # Each alone has room enough, so one at least must have met the other.
        failed = [one["error"]["code"] for one in ends if one["error"]]
        assert failed and set(failed) == {"disk_full"}
        assert agent.clean()
        assert (await agent.save(number=2))["state"] == "succeeded"
    node.check_alive()


async def test_the_holes_of_a_second_pass_take_no_room(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    holes = node.merged / "opt/holes"
    with open(holes, "wb") as file:
        file.truncate(1 << 30)
    async with running_agent(
        node, registry.url, tmp_path / "agent", spool_limit="200M"
    ) as agent:
        with touching(holes):
            status = await agent.save()
        assert status["state"] == "succeeded", status
    node.check_alive()
