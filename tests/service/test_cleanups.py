"""Freeing the image store's disk: through the API, between saves and builds, at every end."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from hub_service.storage.cleanups import seconds_until
from tests.fakes.hub import ADMIN, READ, WRITE
from tests.fakes.kubernetes_jobs import Build
from tests.service.conftest import World, save_of
from tests.service.test_builds import begun, wait_for


def boss(world: World) -> httpx.AsyncClient:
    """Return an administrator's client."""
    return world.client(world.hub.add_user("boss", READ, WRITE, ADMIN))


async def asked(client: httpx.AsyncClient, world: World) -> Build:
    """Ask for a clean-up and return its Job."""
    reply = await client.post("/cleanups")
    assert reply.status_code == 202, reply.text
    return await job_of(world, reply.json()["id"])


async def job_of(world: World, id: int) -> Build:
    """Wait for the Job of a clean-up."""
    build: Build = await wait_for(
        lambda: world.cluster.workloads.of_job(f"cleanup-{id}")
    )
    return build


async def ended(client: httpx.AsyncClient) -> dict[str, Any]:
    """Wait for the end of the latest clean-up."""
    for _ in range(1000):
        latest: dict[str, Any] = (await client.get("/cleanups")).json()["items"][0]
        if latest["ended"]:
            return latest
        await asyncio.sleep(0.02)
    raise AssertionError(latest)


def finish(build: Build) -> None:
    """Let the registry's clean-up tell its figures and end."""
    build.tell("clean", "2 blobs marked, 1 blobs eligible", "cleanup 2048 1024")
    build.end("clean")


async def test_the_registry_is_closed_cleaned_and_opened(world: World) -> None:
    client = boss(world)
    build = await asked(client, world)
    assert world.registry.moods.read_only
    assert (await client.get("/cleanups")).json()["items"][0]["message"]
    finish(build)
    found = await ended(client)
    assert (found["state"], found["error"]) == ("succeeded", None)
    assert (found["bytes_before"], found["bytes_after"]) == (2 << 20, 1 << 20)
    assert found["asked_by"] == "boss"
    assert not world.registry.moods.read_only
    assert world.cluster.workloads.builds == {}


async def test_a_second_one_waits_for_nobody(world: World) -> None:
    client = boss(world)
    build = await asked(client, world)
    reply = await client.post("/cleanups")
    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "cleanup_under_way"
    finish(build)
    await ended(client)
    finish(await asked(client, world))
    assert (await ended(client))["state"] == "succeeded"


async def test_it_waits_for_the_save_under_way(world: World) -> None:
    alice, client = world.alice(), boss(world)
    world.agent.script = ["hang"]
    id = (await alice.post("/commits", json=save_of("alice"))).json()["id"]
    await wait_for(lambda: world.agent.bodies)
    await client.post("/cleanups")
    await asyncio.sleep(0.3)
    assert not world.registry.moods.read_only
    waiting = (await client.get("/cleanups")).json()["items"][0]
    assert waiting["message"] == "Waiting for the end of saves and builds."
    await alice.delete(f"/jobs/{id}")
    build = await job_of(world, waiting["id"])
    assert (await world.ended(alice, id))["state"] == "cancelled"
    finish(build)


async def test_saves_and_builds_wait_for_it(world: World) -> None:
    alice, client = world.alice(), boss(world)
    cleaning = await asked(client, world)
    save = (await alice.post("/commits", json=save_of("alice"))).json()
    body = {"image": "With R", "dockerfile": "FROM remote-desktop\n"}
    build = (await alice.post("/builds", json=body)).json()
    await asyncio.sleep(0.3)
    for job in (save, build):
        told = (await alice.get(f"/jobs/{job['id']}")).json()
        assert told["state"] == "queued"
        assert "being cleaned up" in told["message"]
    assert world.agent.bodies == []
    finish(cleaning)
    assert (await world.ended(alice, save["id"]))["state"] == "succeeded"
    assert await wait_for(lambda: world.cluster.workloads.of_job(build["id"]))


async def test_files_wait_and_deletions_are_carried_out_after_it(
    world: World,
) -> None:
    alice, client = world.alice(), boss(world)
    job = await world.saved(alice)
    build = await asked(client, world)
    path = f"/images/alice/{job['image']['name']}"
    reply = await alice.post("/contexts", content=b"an archive")
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "registry_read_only"
    assert (await alice.delete(path)).status_code == 200
    repository = f"desktops/alice/{job['image']['name']}"
    assert world.registry.manifests[repository]
    finish(build)
    await ended(client)
    assert world.services
    await world.services.deletions.carry_out()
    assert not world.registry.manifests[repository]


@pytest.mark.parametrize("tell", [True, False])
async def test_a_clean_up_that_fails_opens_the_registry_again(
    world: World, tell: bool
) -> None:
    client = boss(world)
    build = await asked(client, world)
    if tell:
        build.tell("clean", "failed to garbage collect: failed to mark")
    build.end("clean", failed=True)
    found = await ended(client)
    assert (found["state"], found["error"]["code"]) == ("failed", "cleanup_failed")
    assert "safe" in found["message"]
    assert not world.registry.moods.read_only


async def test_a_cluster_that_does_not_answer_keeps_nothing_closed(
    world: World,
) -> None:
    client = boss(world)
    await asked(client, world)
    world.cluster.down = True
    await asyncio.sleep(0.2)
    assert world.registry.moods.read_only
    world.cluster.down = False
    assert (await ended(client))["error"]["code"] == "cluster_unavailable"
    assert not world.registry.moods.read_only


async def test_a_restart_goes_on_with_it(neighbours: World) -> None:
    async with neighbours.serving():
        build = await asked(boss(neighbours), neighbours)
    assert neighbours.registry.moods.read_only
    async with neighbours.serving():
        client = boss(neighbours)
        finish(build)
        assert (await ended(client))["state"] == "succeeded"
    assert not neighbours.registry.moods.read_only


async def test_a_build_under_way_is_waited_for(world: World) -> None:
    alice, client = world.alice(), boss(world)
    build = await begun(alice, world)
    await client.post("/cleanups")
    await asyncio.sleep(0.3)
    assert not world.registry.moods.read_only
    await alice.delete(f"/jobs/{build.labels['desktops.jupyter.org/job']}")
    await wait_for(lambda: world.registry.moods.read_only)


async def test_the_page_shows_it(world: World) -> None:
    client = boss(world)
    finish(await asked(client, world))
    await ended(client)
    page = await client.get(f"{world.url}/services/desktops/admin/storage")
    assert page.status_code == 200
    assert "1.0 MB" in page.text or "1 MB" in page.text, page.text


def test_the_next_hour() -> None:
    at = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
    assert seconds_until(3, at) == 30 * 60
    assert seconds_until(2, at) == 23.5 * 3600
    assert seconds_until(2, at.replace(minute=0)) == 24 * 3600


async def test_a_registry_that_nobody_opened_is_opened_at_the_start(
    neighbours: World,
) -> None:
    """The database of before the clean-up may have been restored meanwhile."""
    variables = neighbours.cluster.deployments.variables["registry"]["registry"]
    variables["REGISTRY_STORAGE_MAINTENANCE_READONLY"] = "{enabled: true}"
    neighbours.registry.moods.read_only = True
    async with neighbours.serving():
        await wait_for(lambda: not neighbours.registry.moods.read_only)
    assert variables == {}


async def test_a_registry_that_is_not_there_holds_up_nobody(world: World) -> None:
    alice, client = world.alice(), boss(world)
    world.cluster.deployments.variables.clear()
    await client.post("/cleanups")
    assert (await ended(client))["error"]["code"] == "cluster_unavailable"
    assert (await world.saved(alice))["state"] == "succeeded"


async def test_while_it_cannot_be_opened_the_reason_is_shown(world: World) -> None:
    client = boss(world)
    build = await asked(client, world)
    world.cluster.down = True
    finish(build)
    for _ in range(1000):
        latest = (await client.get("/cleanups")).json()["items"][0]
        if latest["error"]:
            break
        await asyncio.sleep(0.02)
    assert (latest["state"], latest["ended"]) == ("running", None)
    assert "cluster does not answer" in latest["message"]
    world.cluster.down = False
    assert not (await ended(client))["state"] == "running"
