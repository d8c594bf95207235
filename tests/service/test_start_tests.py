"""Trying a version, through the API: it came up, or it did not, and everything in between."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.fakes.hub import ADMIN, READ, WRITE
from tests.fakes.kubernetes_jobs import Build
from tests.service.conftest import World, save_of
from tests.service.test_builds import begun, job_of, result, wait_for
from tests.service.test_pages import page_client

WEBP = b"RIFF\x00\x00\x00\x00WEBP"
PASSED = {
    "result": {
        "colours": 5000,
        "seconds": 7.5,
        "picture": {
            "media_type": "image/webp",
            "data": base64.b64encode(WEBP).decode(),
        },
    }
}
BLANK = {"error": {"code": "blank", "message": "The screen stays empty", "details": {}}}


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running, on a hub that tries versions."""
    neighbours.start_tests = True
    async with neighbours.serving():
        yield neighbours


async def trial_of(world: World, id: str) -> Build:
    """Wait for the Job that tries the version of a job."""
    found: Build = await wait_for(lambda: world.cluster.workloads.of_job(f"{id}-test"))
    return found


async def built(world: World, client: httpx.AsyncClient, **fields: Any) -> str:
    """Build an image up to its start-test; return the job."""
    build = await begun(client, world, **fields)
    build.tell("build", {"log": "#1 hello\n"})
    build.tell("push", {"result": result(world, build)})
    return job_of(build)


def admin_of(world: World) -> httpx.AsyncClient:
    """An administrator's client."""
    return world.client(world.hub.add_user("root", ADMIN))


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
    for _ in range(50):
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


async def test_what_is_staged_is_its_owners_alone(world: World) -> None:
    client = world.alice()
    await world.saved(client)
    reply = await client.post("/commits", json=save_of("alice", activate=False))
    job = await world.ended(client, reply.json()["id"])
    assert job["state"] == "succeeded"
    assert "opt-profile=alice%2Fgis-course%402" in job["links"]["try"]
    image = (await client.get("/images/alice/gis-course")).json()
    assert (image["versions"], image["active_version"]["number"]) == (2, 1)
    shared = {"visibility": "shared", "shared_with": {"users": ["bob"]}}
    await client.patch("/images/alice/gis-course", json=shared)
    world.hub.add_user("bob", READ, WRITE)
    assert await startable(world, "alice", "alice/gis-course@2") == [1, 2]
    assert await startable(world, "alice", "alice/gis-course@3") == [1]
    assert await startable(world, "bob", "alice/gis-course@2") == [1]
    await client.patch("/images/alice/gis-course", json={"active_version": 2})
    assert await startable(world, "bob", "") == [2]


@pytest.mark.parametrize("wanted", ["", "@", "/", "alice", "x/y@z", "alice/gis@1@1"])
async def test_what_names_no_version_adds_none(world: World, wanted: str) -> None:
    world.alice()
    assert await startable(world, "alice", wanted) == []


async def startable(world: World, user: str, version: str) -> list[int]:
    """Return the versions that the spawner may start."""
    world.hub.tokens["spawner"] = {
        "kind": "service",
        "name": "spawner",
        "scopes": [
            "access:services!service=desktops",
            "custom:desktops:profiles",
        ],
    }
    query = {"user": user, "version": version}
    reply = await world.client("spawner").get("/profiles", params=query)
    return [one["version"] for one in reply.json()["items"]]


async def asked(world: World, client: httpx.AsyncClient) -> tuple[dict[str, Any], str]:
    """Save, and ask that it is published; return the request and the job that tries it."""
    await world.saved(client)
    path = "/images/alice/gis-course/publication-requests"
    request = (await client.post(path, json={})).json()
    return request, str(request["start_test"])


async def test_whoever_asks_has_it_tried(world: World) -> None:
    client = world.alice()
    request, id = await asked(world, client)
    tried = await trial_of(world, id)
    tried.tell("tester", PASSED)
    job = await world.ended(client, id)
    assert job["message"] == "The desktop of version 1 came up."
    admin = admin_of(world)
    path = f"/publication-requests/{request['id']}"
    reply = await admin.patch(path, json={"state": "approved"})
    assert (reply.status_code, reply.json()["state"]) == (200, "approved")
    assert reply.json()["version"]["start_test"]["passed"] is True
    await wait_for(lambda: not world.cluster.workloads.builds)


async def test_what_is_approved_early_is_published_when_it_has_come_up(
    world: World,
) -> None:
    client = world.alice()
    request, id = await asked(world, client)
    tried = await trial_of(world, id)
    admin = admin_of(world)
    path = f"/publication-requests/{request['id']}"
    body = {"state": "approved", "reason": "nice"}
    reply = await admin.patch(path, json=body)
    assert (reply.status_code, reply.json()["state"]) == (202, "open")
    assert reply.json()["start_test"] == id
    image = (await client.get("/images/alice/gis-course")).json()
    assert image["published_version"] is None
    tried.tell("tester", PASSED)
    await world.ended(client, id)
    [answered] = (await admin.get("/publication-requests")).json()["items"]
    assert (answered["state"], answered["decided_by"]) == ("approved", "root")
    assert answered["reason"] == "nice"
    assert answered["image"]["published_version"] == 1


async def test_nothing_is_published_that_does_not_come_up(world: World) -> None:
    client = world.alice()
    request, id = await asked(world, client)
    admin = admin_of(world)
    path = f"/publication-requests/{request['id']}"
    (await trial_of(world, id)).tell("tester", BLANK)
    assert (await world.ended(client, id))["state"] == "failed"
    # Approved all the same: it is tried once more, and again not published.
    reply = await admin.patch(path, json={"state": "approved"})
    again = reply.json()["start_test"]
    assert reply.status_code == 202 and again != id
    (await trial_of(world, again)).tell("tester", BLANK)
    assert (await world.ended(client, again))["state"] == "failed"
    image = (await client.get("/images/alice/gis-course")).json()
    assert image["published_version"] is None
    # It can be refused still.
    refusal = {"state": "refused", "reason": "it does not start"}
    assert (await admin.patch(path, json=refusal)).status_code == 200


async def test_an_administrator_publishes_directly_after_the_test(world: World) -> None:
    client = world.alice()
    await world.saved(client)
    admin = admin_of(world)
    path = "/images/alice/gis-course"
    changes = {"visibility": "published", "description": "for all"}
    reply = await admin.patch(path, json=changes)
    assert (reply.status_code, reply.json()["visibility"]) == (202, "private")
    assert reply.json()["description"] == "for all"
    jobs = (await admin.get("/jobs", params={"all": "true"})).json()["items"]
    [id] = [one["id"] for one in jobs if one["kind"] == "start-test"]
    assert (await client.delete(path)).json()["error"]["code"] == "image_being_tried"
    (await trial_of(world, id)).tell("tester", PASSED)
    await world.ended(client, id)
    image = (await client.get(path)).json()
    assert (image["visibility"], image["published_version"]) == ("published", 1)
    audit = (await admin.get("/audit")).json()["items"]
    assert audit[0]["actor"] == "root" and audit[0]["details"]["published"] == 1


async def test_what_is_taken_back_before_the_test_passes_is_not_published(
    world: World,
) -> None:
    client = world.alice()
    await world.saved(client)
    admin = admin_of(world)
    path = "/images/alice/gis-course"
    await admin.patch(path, json={"visibility": "published"})
    await admin.patch(path, json={"visibility": "private"})
    jobs = (await admin.get("/jobs", params={"all": "true"})).json()["items"]
    [id] = [one["id"] for one in jobs if one["kind"] == "start-test"]
    (await trial_of(world, id)).tell("tester", PASSED)
    assert (await world.ended(client, id))["state"] == "succeeded"
    image = (await client.get(path)).json()
    assert (image["visibility"], image["published_version"]) == ("private", None)


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


async def test_the_pages_show_how_far_it_is(world: World) -> None:
    client = world.alice()
    request, id = await asked(world, client)
    tried = await trial_of(world, id)
    mine = page_client(world, "token-of-alice", "fr")
    admin_of(world)
    admin = page_client(world, "token-of-root")
    review = f"admin/requests/{request['id']}"
    assert "en cours" in (await mine.get("")).text
    assert "bureau démarre…" in (await mine.get("images/alice/gis-course")).text
    assert 'id="job-log"' in (await mine.get(f"jobs/{id}")).text
    assert "Trying whether" in (await admin.get(review)).text
    token = admin.cookies.get("_xsrf") or ""
    form = {"state": "approved", "reason": "", "_xsrf": token}
    reply = await admin.post(review, data=form)
    assert reply.status_code == 302
    assert reply.headers["Location"].endswith(review)
    assert "published by itself" in (await admin.get(review)).text
    tried.tell("tester", PASSED)
    await world.ended(client, id)
    page = (await mine.get("images/alice/gis-course")).text
    assert "a démarré en 8 s" in page and "versions/1/picture?until=" in page
    assert "versions/1/picture?until=" in (await mine.get("")).text
    assert "versions/1/picture?until=" in (await admin.get(review)).text


async def test_a_staged_image_is_offered_to_try_and_not_to_start(world: World) -> None:
    client = world.alice()
    id = await built(world, client, activate=False)
    (await trial_of(world, id)).tell("tester", BLANK)
    await world.ended(client, id)
    mine = page_client(world, "token-of-alice")
    page = (await mine.get("images/alice/with-r")).text
    assert "No version is active yet" in page and ">Start</a>" not in page
    assert f'href="/services/desktops/jobs/{id}"' in page
    assert "opt-profile=alice%2Fwith-r%401" in page
    assert ">Start</a>" not in (await mine.get("")).text
    assert "Start it anyway" in (await mine.get(f"jobs/{id}")).text


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


async def test_a_cancelled_test_publishes_nothing(world: World) -> None:
    client = world.alice()
    request, id = await asked(world, client)
    await trial_of(world, id)
    admin = admin_of(world)
    path = f"/publication-requests/{request['id']}"
    await admin.patch(path, json={"state": "approved"})
    await client.delete(f"/jobs/{id}")
    # Asked again while the first is going: that is a test of its own.
    reply = await admin.patch(path, json={"state": "approved"})
    again = reply.json()["start_test"]
    assert reply.status_code == 202 and again != id
    job = await world.ended(client, id)
    assert job["message"] == "Cancelled. Nothing was published."
    image = (await client.get("/images/alice/gis-course")).json()
    assert (image["published_version"], image["versions"]) == (None, 1)
    (await trial_of(world, again)).tell("tester", PASSED)
    await world.ended(client, again)
    image = (await client.get("/images/alice/gis-course")).json()
    assert image["published_version"] == 1
