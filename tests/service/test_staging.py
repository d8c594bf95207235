"""What is kept for its owner, who tries it before others start it."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.hub import READ, WRITE
from tests.service.conftest import World, save_of
from tests.service.test_pages import page_client
from tests.service.trials import BLANK, built, trial_of


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running, on a hub that tries versions."""
    neighbours.start_tests = True
    async with neighbours.serving():
        yield neighbours


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
