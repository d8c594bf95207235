"""The page behind the links that start an image: never an older version without a word."""

import re

import pytest

from tests.fakes.hub import READ, WRITE
from tests.service.conftest import World
from tests.service.test_pages import page_client

SPAWN = "/hub/spawn/alice/gis-course?opt-profile=alice%2Fgis-course&opt-session=use"


async def two_versions(world: World) -> list[str]:
    """Save an image twice; return the references."""
    api = world.alice()
    for _ in range(2):
        await world.saved(api)
    reply = await api.get("/images/alice/gis-course/versions")
    return [one["reference"] for one in reversed(reply.json()["items"])]


def let_run(world: World, reference: str, ready: bool = True) -> None:
    world.hub.add_server("alice", "gis-course", ready=ready)
    world.cluster.add_session("alice", "gis-course", image=reference)


async def test_what_does_not_run_is_started(world: World) -> None:
    await two_versions(world)
    reply = await page_client(world, "token-of-alice").get("start/alice/gis-course")
    assert (reply.status_code, reply.headers["location"]) == (302, SPAWN)


async def test_what_runs_already_is_shown(world: World) -> None:
    let_run_later = await two_versions(world)
    let_run(world, let_run_later[1])
    reply = await page_client(world, "token-of-alice").get("start/alice/gis-course")
    assert reply.headers["location"] == "/user/alice/gis-course"


@pytest.mark.parametrize(
    ("language", "words", "button"),
    [
        ("en", "Version 1 of it is still running", "Stop it and start version 2"),
        ("fr", "La version 1 fonctionne encore", "L’arrêter et démarrer la version 2"),
    ],
)
async def test_an_older_version_is_stopped_only_when_asked(
    world: World, language: str, words: str, button: str
) -> None:
    references = await two_versions(world)
    let_run(world, references[0])
    client = page_client(world, "token-of-alice", language)
    reply = await client.get("start/alice/gis-course")
    assert reply.status_code == 200 and words in reply.text and button in reply.text
    assert "/user/alice/gis-course" in reply.text
    assert world.hub.stopped == []
    reply = await client.post("start/alice/gis-course")
    assert (reply.status_code, reply.headers["location"]) == (302, SPAWN)
    assert world.hub.stopped == [("alice", "gis-course")]


async def test_something_else_under_that_name(world: World) -> None:
    await two_versions(world)
    let_run(world, "localhost:30500/desktops/other@sha256:" + "0" * 64)
    reply = await page_client(world, "token-of-alice").get("start/alice/gis-course")
    assert "Another desktop of yours with this name" in reply.text


async def test_what_a_person_may_not_see_is_not_there(world: World) -> None:
    await two_versions(world)
    client = page_client(world, world.hub.add_user("bob", READ, WRITE))
    for reply in (
        await client.get("start/alice/gis-course"),
        await client.post("start/alice/gis-course"),
    ):
        assert reply.status_code == 404
        assert re.search("no (such )?image", reply.text)
    assert world.hub.stopped == []
