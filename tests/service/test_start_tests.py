"""Trying a version, through the API: it came up, or it did not, and everything in between."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.service.conftest import World, save_of
from tests.service.test_builds import wait_for
from tests.service.trials import BLANK, PASSED, WEBP, built, trial_of


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running, on a hub that tries versions."""
    neighbours.start_tests = True
    async with neighbours.serving():
        yield neighbours


async def test_a_build_that_comes_up_is_active_and_has_a_picture(world: World) -> None:
    client = world.alice()
    id = await built(world, client)
    tried = await trial_of(world, id)
    tried.tell("tester", {"log": "the page answers\n"})
    job = (await client.get(f"/jobs/{id}")).json()
    assert (job["state"], job["step"]) == ("running", "test")
    assert job["message"] == "Trying whether the desktop comes up…"
    # Nobody starts it before it came up.
    assert (await client.get("/images")).json()["items"] == []
    tried.tell("tester", PASSED)
    job = await world.ended(client, id)
    assert job["message"] == "Built With R, version 1."
    assert job["steps"][-1]["name"] == "test" and job["steps"][-1]["state"] == "done"
    image = (await client.get("/images/alice/with-r")).json()
    found = image["active_version"]["start_test"]
    assert (found["passed"], found["seconds"], found["job"]) == (True, 7.5, id)
    log = (await client.get(f"/jobs/{id}/log")).text
    assert log == "#1 hello\nthe page answers\n"
    await wait_for(lambda: not world.cluster.workloads.builds)

    picture = await client.get("/images/alice/with-r/versions/1/picture")
    assert (picture.content, picture.headers["Content-Type"]) == (WEBP, "image/webp")
    assert picture.headers["Cache-Control"] == "private, max-age=86400"
    # The link of the spawn page needs no login, and is for this picture alone.
    stranger = httpx.AsyncClient(base_url=world.url)
    link = image["links"]["picture"]
    assert (await stranger.get(link)).content == WEBP
    for wrong in (link[:-1] + "x", link.replace("/1/", "/2/"), link.partition("?")[0]):
        assert (await stranger.get(wrong)).status_code == 401
    await stranger.aclose()


async def test_what_is_tried_has_nothing_of_anybody(world: World) -> None:
    client = world.alice()
    id = await built(world, client)
    tried = await trial_of(world, id)
    [desktop, tester] = tried.spec["containers"]
    digest = (await client.get(f"/jobs/{id}")).json()["result"]["digest"]
    assert desktop["image"].endswith(f"/alice/with-r@{digest}")
    assert tester["image"] == "tester"
    token = tried.environment("desktop").pop("JUPYTERHUB_API_TOKEN")
    assert token == tried.environment("tester")["JUPYTERHUB_API_TOKEN"]
    assert token not in world.hub.tokens and token not in id
    assert "volumes" not in tried.spec


@pytest.mark.parametrize(
    ("told", "words"), [(BLANK, "stayed empty"), (None, "ended by itself")]
)
async def test_a_build_that_does_not_come_up_is_kept_but_not_active(
    world: World, told: object, words: str
) -> None:
    client = world.alice()
    id = await built(world, client)
    tried = await trial_of(world, id)
    tried.tell("desktop", "Xvnc: not found")
    if told:
        tried.tell("tester", told)
    else:
        tried.end("desktop", failed=True, reason="Error")
    job = await world.ended(client, id)
    assert (job["state"], job["error"]["code"]) == ("failed", "start_test_failed")
    assert words in job["message"] and "stays as it was" in job["message"]
    log = (await client.get(f"/jobs/{id}/log")).text
    assert log.endswith("--- the desktop's own log ---\nXvnc: not found\n")
    image = (await client.get("/images/alice/with-r")).json()
    assert image["active_version"] is None and "picture" not in image["links"]
    [version] = (await client.get("/images/alice/with-r/versions")).json()["items"]
    assert version["start_test"]["passed"] is False
    assert world.registry.tags["desktops/alice/with-r"]
    await wait_for(lambda: not world.cluster.workloads.builds)
    picture = await client.get("/images/alice/with-r/versions/1/picture")
    assert picture.json()["error"]["code"] == "picture_not_found"


async def test_cancelling_leaves_neither_pod_nor_version(world: World) -> None:
    client = world.alice()
    id = await built(world, client)
    await trial_of(world, id)
    await client.delete(f"/jobs/{id}")
    job = await world.ended(client, id)
    assert (job["state"], job["result"]) == ("cancelled", None)
    assert world.cluster.workloads.builds == {}
    assert (await client.get("/images")).json()["items"] == []
    await wait_for(lambda: not world.registry.tags.get("desktops/alice/with-r"))


async def test_a_restart_goes_on_where_it_was(neighbours: World) -> None:
    world = neighbours
    world.start_tests = True
    async with world.serving():
        id = await built(world, world.alice())
        tried = await trial_of(world, id)
        tried.tell("tester", {"log": "one\n"})
        logs = world.services and world.services.logs
        await wait_for(lambda: logs and "one" in logs.text(id))
    tried.tell("tester", {"log": "two\n"}, PASSED)
    async with world.serving():
        client = world.client("token-of-alice")
        assert (await world.ended(client, id))["state"] == "succeeded"
        log = (await client.get(f"/jobs/{id}/log")).text
        assert log == "#1 hello\none\ntwo\n"
        await wait_for(lambda: not world.cluster.workloads.builds)


async def test_a_cluster_without_room_ends_the_test_too(world: World) -> None:
    client = world.alice()
    id = await built(world, client)
    await trial_of(world, id)
    assert world.services
    jobs = world.services.jobs
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for _ in range(1000):
        job = jobs.get(id)
        if job is None or not job.unfinished:
            break
        jobs.update(id, progress={**job.progress, "since": long_ago})
        await asyncio.sleep(0.02)
    job_now = await world.ended(client, id)
    assert job_now["error"]["details"]["what"] == "room"
    await wait_for(lambda: not world.cluster.workloads.builds)


async def test_a_test_may_be_left_out(world: World) -> None:
    client = world.alice()
    id = await built(world, client, start_test=False)
    assert (await world.ended(client, id))["state"] == "succeeded"
    version = (await client.get("/images/alice/with-r")).json()["active_version"]
    assert version["start_test"] is None


async def test_a_save_is_tried_when_asked(world: World) -> None:
    client = world.alice()
    assert (await world.saved(client))["state"] == "succeeded"
    assert world.cluster.workloads.builds == {}
    reply = await client.post("/commits", json=save_of("alice", start_test=True))
    id = reply.json()["id"]
    tried = await trial_of(world, id)
    tried.tell("tester", BLANK)
    job = await world.ended(client, id)
    assert job["error"]["code"] == "start_test_failed"
    image = (await client.get("/images/alice/gis-course")).json()
    assert (image["versions"], image["active_version"]["number"]) == (2, 1)


async def test_a_picture_goes_with_its_last_version(world: World) -> None:
    client = world.alice()
    id = await built(world, client)
    (await trial_of(world, id)).tell("tester", PASSED)
    job = await world.ended(client, id)
    assert world.services
    pictures, digest = world.services.pictures, job["result"]["digest"]
    assert pictures.get(digest)
    await client.delete("/images/alice/with-r")
    assert pictures.get(digest) is None


async def test_a_test_that_was_lost_is_begun_again(world: World) -> None:
    client = world.alice()
    id = await built(world, client)
    lost = await trial_of(world, id)
    lost.tell("tester", {"log": "first\n"})
    logs = world.services and world.services.logs
    await wait_for(lambda: logs and "first" in logs.text(id))
    world.cluster.workloads.remove(lost.name)
    again = await trial_of(world, id)
    assert again is not lost
    again.tell("tester", {"log": "second\n"}, PASSED)
    assert (await world.ended(client, id))["state"] == "succeeded"
    log = (await client.get(f"/jobs/{id}/log")).text
    assert log == "#1 hello\nfirst\nsecond\n"


async def test_one_that_is_lost_again_and_again_ends(world: World) -> None:
    client = world.alice()
    id = await built(world, client)
    assert world.services
    jobs = world.services.jobs
    for number in (1, 2, 3):
        name = (await trial_of(world, id)).name
        # Once it is written down that it was made.
        await wait_for(
            lambda: (one := jobs.get(id)) and one.progress["tries"] == number
        )
        world.cluster.workloads.remove(name)
    await asyncio.sleep(0.3)
    assert not world.cluster.workloads.builds
    job = jobs.get(id)
    assert job
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    jobs.update(id, progress={**job.progress, "since": long_ago})
    assert (await world.ended(client, id))["error"]["details"]["what"] == "room"


async def test_so_many_are_tried_at_once(world: World) -> None:
    client = world.alice()
    assert world.services
    jobs, ids = world.services.jobs, []
    for title in ("A", "B", "C"):
        body = save_of("alice", title, start_test=True)
        id = (await client.post("/commits", json=body)).json()["id"]
        # The desktop can be saved again while what was saved is being tried.
        await wait_for(lambda: (job := jobs.get(id)) and job.result)
        ids.append(id)
    await wait_for(lambda: len(world.cluster.workloads.builds) == 2)
    await asyncio.sleep(0.2)
    assert len(world.cluster.workloads.builds) == 2
    (await trial_of(world, ids[0])).tell("tester", PASSED)
    await trial_of(world, ids[2])
