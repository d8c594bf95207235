"""Layers are sent while more is read, never while the desktop stands still."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from oci.manifest import OCI_LAYER_ZSTD, Descriptor
from oci.reference import Digest
from snapshot_agent.api.commit import BlobsOf
from snapshot_agent.api.early import EarlyPush
from snapshot_agent.api.push import Pusher
from snapshot_agent.api.registries import OpenUploads, Registries, RegistrySettings
from snapshot_agent.status import Step
from tests.fakes.registry import FakeRegistry
from tests.images import Image

from .agents import running_agent
from .nodes import fake_node
from .overlays import can_mount

REPOSITORY = "desktops/alice/gis-course"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as server:
        yield server


@pytest.fixture
async def pusher(registry: FakeRegistry, tmp_path: Path) -> AsyncIterator[Pusher]:
    settings = RegistrySettings(registry.host, registry.url, "desktops", backoff=0.01)
    async with httpx.AsyncClient() as http:
        registries = Registries(settings, http, OpenUploads(tmp_path))
        # Nothing here is about a base image.
        node = BlobsOf(None, None)  # type: ignore[arg-type]
        yield Pusher(registries, node, REPOSITORY, Step("push"))


def layer(folder: Path, name: str, size: int = 2_000_000) -> tuple[Descriptor, Path]:
    path, content = folder / name, os.urandom(size)
    path.write_bytes(content)
    return Descriptor(OCI_LAYER_ZSTD, Digest.of(content), size), path


def sent(registry: FakeRegistry) -> set[str]:
    return set(registry.blobs.get(REPOSITORY, {}))


async def arrival(registry: FakeRegistry, digest: str) -> None:
    async with asyncio.timeout(20):
        while digest not in sent(registry):
            await asyncio.sleep(0.01)


async def test_a_layer_is_sent_while_more_is_read(
    pusher: Pusher, registry: FakeRegistry, tmp_path: Path
) -> None:
    async with EarlyPush(pusher) as early:
        for name in ("one", "two"):
            found, path = layer(tmp_path, name)
            early.add(found, path)
            await arrival(registry, found.digest)
    assert not registry.uploads


async def test_nothing_moves_while_the_desktop_stands_still(
    pusher: Pusher, registry: FakeRegistry, tmp_path: Path
) -> None:
    found, path = layer(tmp_path, "one")
    async with EarlyPush(pusher) as early:
        early.pause()
        early.add(found, path)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await arrival(registry, found.digest)
        early.resume()
        await arrival(registry, found.digest)
        assert sent(registry) == {found.digest}


@pytest.mark.parametrize("wanted", [True, False])
async def test_at_the_end_only_what_is_wanted_and_on_its_way_is_waited_for(
    wanted: bool, pusher: Pusher, registry: FakeRegistry, tmp_path: Path
) -> None:
    first, second = layer(tmp_path, "first"), layer(tmp_path, "second", 3_000_000)
    third, step = layer(tmp_path, "third"), Step("push")
    async with EarlyPush(pusher) as early:
        early.add(*first)
        await arrival(registry, first[0].digest)
        early.add(*second)
        early.add(*third)
        async with asyncio.timeout(20):
            while not registry.uploads:
                await asyncio.sleep(0.001)
        early.pause()
        parts = {first[0].digest, *([second[0].digest] if wanted else [])}
        ending = asyncio.create_task(early.finish(parts, step))
        await asyncio.sleep(0)
        early.resume()
        assert await ending >= parts
    assert sent(registry) >= parts and third[0].digest not in sent(registry)
    assert step.bytes_done == first[0].size + (second[0].size if wanted else 0)
    assert not registry.uploads


async def test_what_is_broken_off_was_never_counted(
    pusher: Pusher, registry: FakeRegistry, tmp_path: Path
) -> None:
    step = Step("push")
    async with EarlyPush(pusher) as early:
        found, path = layer(tmp_path, "of no image", 60_000_000)
        early.add(found, path)
        async with asyncio.timeout(20):
            while not registry.uploads:
                await asyncio.sleep(0.001)
        # Some of it is on its way by now.
        await asyncio.sleep(0.02)
        early.pause()
        await early.finish([], step)
    assert step.bytes_done == step.before == 0


async def test_when_it_is_read_again_nothing_of_before_goes_on(
    pusher: Pusher, registry: FakeRegistry, tmp_path: Path
) -> None:
    old, new = layer(tmp_path, "old"), layer(tmp_path, "new")
    async with EarlyPush(pusher) as early:
        early.pause()
        early.add(*old)
        early.forget()
        early.resume()
        early.add(*new)
        await arrival(registry, new[0].digest)
        assert sent(registry) == {new[0].digest}


async def test_a_save_that_ends_leaves_no_upload_open(
    pusher: Pusher, registry: FakeRegistry, tmp_path: Path
) -> None:
    async with EarlyPush(pusher) as early:
        early.pause()
        early.add(*layer(tmp_path, "one"))
        await asyncio.sleep(0.1)
    assert not registry.uploads and not sent(registry)


async def test_what_is_gone_or_refused_is_left_to_the_push(
    pusher: Pusher, registry: FakeRegistry, tmp_path: Path
) -> None:
    gone, other = layer(tmp_path, "gone"), layer(tmp_path, "other")
    gone[1].unlink()
    # Read again meanwhile, and not what it was.
    layer(tmp_path, "other")
    registry.moods.fail = [403]
    refused, last = layer(tmp_path, "refused"), layer(tmp_path, "last")
    async with EarlyPush(pusher) as early:
        for one in (refused, gone, other, last):
            early.add(*one)
        await arrival(registry, last[0].digest)
        step = Step("push")
        wanted = {refused[0].digest, last[0].digest}
        assert await early.finish(wanted, step) == {last[0].digest}
    assert sent(registry) == {last[0].digest}
    # Of what did not arrive nothing counts.
    assert (step.bytes_done, step.before) == (last[0].size, last[0].size)
    assert not registry.uploads
    await pusher.new_layers([refused])
    assert refused[0].digest in sent(registry)


@pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)
async def test_a_large_desktop_is_on_its_way_before_it_is_frozen(
    image: Image, registry: FakeRegistry, tmp_path: Path
) -> None:
    begun: list[int] = []
    with fake_node(tmp_path / "node", image) as node:
        assert node.fake is not None

        def pause() -> None:
            begun.append(len([one for one in registry.requests if one[0] == "POST"]))

        node.fake.on_pause = pause
        for number in range(64):
            (node.merged / f"opt/{number}").write_bytes(os.urandom(1 << 20))
        folder, size = tmp_path / "agent", 1 << 20
        agent = running_agent(node, registry.url, folder, layer_bytes=size)
        async with agent as running:
            result = await running.result()
            assert running.clean()
    assert len(result["new_layers"]) > 2
    assert set(result["new_layers"]) <= sent(registry)
    # Base layers come later.
    assert begun[0] > 0 and not registry.uploads
