"""What is to be published is tried first, through the API."""

from collections.abc import AsyncIterator

import pytest

from tests.service.conftest import World
from tests.service.test_builds import wait_for
from tests.service.test_pages import page_client
from tests.service.trials import BLANK, PASSED, admin_of, asked, trial_of


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running, on a hub that tries versions."""
    neighbours.start_tests = True
    async with neighbours.serving():
        yield neighbours


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
