"""Images through the API: who sees, changes and deletes what; what the registry holds after."""

from itertools import product

import pytest

from tests.fakes.hub import ADMIN, READ, WRITE
from tests.service.conftest import World, save_of


async def test_a_shared_image_is_seen_by_those_it_is_shared_with(world: World) -> None:
    alice = world.alice()
    await world.saved(alice)
    bob = world.client(world.hub.add_user("bob", READ, WRITE))
    carol = world.client(world.hub.add_user("carol", READ, WRITE, groups=("gis",)))
    assert (await bob.get("/images/alice/gis-course")).status_code == 404
    share = {
        "visibility": "shared",
        "shared_with": {"users": ["bob"], "groups": ["gis"]},
    }
    changed = (await alice.patch("/images/alice/gis-course", json=share)).json()
    assert changed["shared_with"] == {"users": ["bob"], "groups": ["gis"]}
    for client in (bob, carol):
        assert (await client.get("/images/alice/gis-course")).status_code == 200
        assert [one["name"] for one in (await client.get("/images")).json()["items"]]
    await alice.patch("/images/alice/gis-course", json={"visibility": "private"})
    assert (await bob.get("/images/alice/gis-course")).status_code == 404


async def test_who_may_not_change_is_told_so_only_when_they_may_see(
    world: World,
) -> None:
    alice = world.alice()
    await world.saved(alice)
    bob = world.client(world.hub.add_user("bob", READ, WRITE))
    statuses = {}
    for visible, verb in product((False, True), ("patch", "delete")):
        if visible:
            body = {"visibility": "shared", "shared_with": {"users": ["bob"]}}
            await alice.patch("/images/alice/gis-course", json=body)
        path = "/images/alice/gis-course"
        reply = await (
            bob.patch(path, json={"title": "x"})
            if verb == "patch"
            else bob.delete(path)
        )
        statuses[visible, verb] = reply.status_code
    assert statuses == {
        (False, "patch"): 404,
        (False, "delete"): 404,
        (True, "patch"): 403,
        (True, "delete"): 403,
    }


async def test_only_administrators_publish(world: World) -> None:
    alice = world.alice()
    await world.saved(alice)
    body = {"visibility": "published"}
    reply = await alice.patch("/images/alice/gis-course", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "not_publisher")
    admin = world.client(world.hub.add_user("root", ADMIN))
    assert (await admin.patch("/images/alice/gis-course", json=body)).status_code == 200
    bob = world.client(world.hub.add_user("bob", READ))
    assert (await bob.get("/images/alice/gis-course")).status_code == 200


async def test_rollback_is_another_active_version(world: World) -> None:
    alice = world.alice()
    await world.saved(alice)
    await world.saved(alice)
    path = "/images/alice/gis-course"
    changed = await alice.patch(path, json={"active_version": 1})
    assert changed.json()["active_version"]["number"] == 1
    assert (await alice.patch(path, json={"active_version": 9})).status_code == 404


async def test_deleting_an_image_removes_its_manifests(world: World) -> None:
    alice = world.alice()
    await world.saved(alice)
    await world.saved(alice)
    assert len(world.registry.manifests["desktops/alice/gis-course"]) == 2
    reply = await alice.delete("/images/alice/gis-course")
    assert reply.json() == {"freed_bytes": 200}
    await world.emptied("desktops/alice/gis-course")
    assert (await alice.get("/images")).json()["items"] == []


async def test_what_is_deleted_while_the_registry_is_down_leaves_it_later(
    neighbours: World,
) -> None:
    async with neighbours.serving():
        alice = neighbours.alice()
        await neighbours.saved(alice)
    registry = neighbours.addresses["registry"]
    neighbours.addresses["registry"] = "http://127.0.0.1:9"
    async with neighbours.serving() as services:
        # The default pauses between attempts are for real registries.
        services.store._client._transport.attempts = 1
        alice = neighbours.client("token-of-alice")
        assert (await alice.delete("/images/alice/gis-course")).status_code == 200
        assert (await alice.get("/images")).json()["items"] == []
    assert len(neighbours.registry.manifests["desktops/alice/gis-course"]) == 1
    neighbours.addresses["registry"] = registry
    async with neighbours.serving():
        await neighbours.emptied("desktops/alice/gis-course")


async def test_what_two_saves_share_is_freed_once(world: World) -> None:
    alice = world.alice()
    for layers in ({"first": 70}, {"first": 70, "second": 5}):
        world.agent.result = {"new_layers": layers}
        await world.saved(alice)
    reply = await alice.delete("/images/alice/gis-course/versions/1")
    assert reply.json() == {"freed_bytes": 0}
    reply = await alice.delete("/images/alice/gis-course")
    assert reply.json() == {"freed_bytes": 75}


async def test_the_active_version_is_not_deleted(world: World) -> None:
    alice = world.alice()
    await world.saved(alice)
    reply = await alice.delete("/images/alice/gis-course/versions/1")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "version_active")


async def test_search_takes_percent_signs_literally(world: World) -> None:
    alice = world.alice()
    await world.saved(alice, "100% R")
    await world.saved(alice, "GIS")
    for query, found in [
        ("100%", 1),
        ("%", 1),
        ("_", 0),
        ("r 100", 1),
        ("", 2),
        ("alice", 2),
    ]:
        items = (await alice.get("/images", params={"q": query})).json()["items"]
        assert len(items) == found, query


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"visibility": "secret"},
        {"active_version": "1"},
        {"unknown": 1},
        {"title": ""},
        {"shared_with": {"users": [""]}},
    ],
)
async def test_changes_that_are_none_are_refused(
    world: World, body: dict[str, object]
) -> None:
    alice = world.alice()
    await world.saved(alice)
    assert (await alice.patch("/images/alice/gis-course", json=body)).status_code == 422


@pytest.mark.parametrize("title", ["gis  COURSE", "gis-course", "GIS course"])
async def test_a_title_of_ones_own_means_a_new_version(
    world: World, title: str
) -> None:
    client = world.alice()
    await world.saved(client)
    job = await world.saved(client, title)
    assert (job["image"]["name"], job["version"]) == ("gis-course", 2)


async def test_a_title_that_is_only_alike_is_refused(world: World) -> None:
    client = world.alice()
    await world.saved(client, "C")
    reply = await client.post("/commits", json=save_of("alice", "C#"))
    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "name_taken"
    body = {"image": "C++", "dockerfile": "FROM remote-desktop\n"}
    assert (await client.post("/builds", json=body)).status_code == 409


async def test_a_new_title_is_the_one_that_counts(world: World) -> None:
    client = world.alice()
    await world.saved(client)
    await client.patch("/images/alice/gis-course", json={"title": "Maps"})
    assert (await world.saved(client, "maps"))["image"]["name"] == "gis-course"
    reply = await client.post("/commits", json=save_of("alice", "GIS Course!"))
    assert reply.json()["error"]["code"] == "name_taken"
    preview = await client.post("/commits/preview", json={"server": {"user": "alice"}})
    assert preview.json()["images"] == [
        {"name": "gis-course", "title": "Maps", "next_version": 3}
    ]
