"""The passes of a save: what changes while a desktop is read, and while it stands still."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.client import RegistryClient
from tests.images import Image
from tests.trees import snapshot

from .agents import running_agent
from .nodes import Node
from .overlays import can_mount, touching
from .registries import RegistryServer, fake_registry
from .test_overlay import attributes, deletions, hard_links, names, special_files
from .test_saves import REPOSITORY, SKIPPED, check, rebuilt
from .unpackers import pulled

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    """How a desktop is read does not depend on the kind of registry."""
    with fake_registry() as server:
        yield server


async def test_a_freeze_whose_budget_is_used_up(
    node: Node,
    image: Image,
    registry: RegistryServer,
    client: RegistryClient,
    tmp_path: Path,
) -> None:
    """What there was no time for is taken after the thaw, and named."""
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(5_000_000))
    with touching(big):
        async with running_agent(
            node, registry.url, tmp_path / "agent", freeze_budget=0.0
        ) as agent:
            result = await agent.result()
            assert agent.clean()
    assert result["changed_while_saved"] == ["/opt/big"]
    # While it ran, before the thaw and after it, and once more for what was moved meanwhile.
    assert result["layers"] >= len(image.layers) + 3
    got = await rebuilt(client, result, tmp_path / "mine")
    assert (got / "opt/big").read_bytes() == big.read_bytes()
    node.check_alive()


async def test_what_changes_while_it_is_read_is_read_again_while_the_desktop_runs(
    node: Node, registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    """Too much for the freeze, so it is a layer of its own before that."""
    (node.merged / "opt/big").write_bytes(os.urandom(300_000_000))
    late = os.urandom(20_000_000)
    async with running_agent(node, registry.url, tmp_path / "agent") as agent:
        started = await agent.start()
        while (await agent.status(started["id"]))["bytes_done"] < 50_000_000:
            await asyncio.sleep(0.01)
        # In a directory that has been read by now.
        (node.merged / "etc/late").write_bytes(late)
        status = await agent.wait(started["id"])
        assert status["state"] == "succeeded", status
    sizes = sorted(status["result"]["new_layers"].values(), reverse=True)
    assert sizes[0] > 300_000_000 and 20_000_000 < sizes[1] < 21_000_000
    got = await rebuilt(client, status["result"], tmp_path / "mine")
    assert (got / "etc/late").read_bytes() == late


async def test_a_large_desktop_goes_as_several_layers(
    node: Node, client: RegistryClient, registry: RegistryServer, tmp_path: Path
) -> None:
    """Each with its directories; hard links whole, also those far apart."""
    for mutate in (hard_links, attributes, names, deletions, special_files):
        mutate(node.merged)
    for place in ("etc", "home/jovyan", "opt/a/b/c", "usr/lib/deep", "var/opaque"):
        folder = node.merged / place
        if place == "var/opaque":
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(4):
            (folder / f"file-{number}").write_bytes(os.urandom(3000))
        os.utime(folder, (5, 5))
    os.link(node.merged / "etc/file-0", node.merged / "usr/lib/deep/same")
    async with running_agent(
        node, registry.url, tmp_path / "agent", layer_bytes=5000
    ) as agent:
        result = await agent.result()
        there = snapshot(node.merged, SKIPPED)
        check(there, await rebuilt(client, result, tmp_path / "mine"))
        if node.fake is None:
            reference = f"{registry.host}/{REPOSITORY}:v1"
            check(there, pulled(node, reference, tmp_path / "pulled"))
    assert len(result["new_layers"]) >= 4
