"""Saving a desktop, through the API: the good end, and everything that can come between."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.hub import READ, WRITE
from tests.service.conftest import World, save_of


async def test_a_save_becomes_the_active_version(world: World) -> None:
    client = world.alice()
    job = await world.saved(client)
    assert (job["state"], job["version"]) == ("succeeded", 1)
    assert job["message"] == "Saved as GIS course, version 1."
    image = (await client.get("/images/alice/gis-course")).json()
    assert image["active_version"]["digest"] == job["result"]["digest"]
    assert image["active_version"]["note"] == "adds QGIS"
    assert image["visibility"] == "private"


async def test_a_second_save_of_the_same_name_is_the_next_version(world: World) -> None:
    client = world.alice()
    await world.saved(client)
    job = await world.saved(client, "gis COURSE")
    assert (job["image"]["name"], job["version"]) == ("gis-course", 2)
    # The image keeps the title that its owner gave it.
    assert job["image"]["title"] == "GIS course"
    body = {"server": {"user": "alice"}, "image": {"name": "gis-course"}}
    assert (await client.post("/commits", json=body)).json()["image"][
        "title"
    ] == "GIS course"


async def test_a_deleted_number_is_not_used_again(world: World) -> None:
    client = world.alice()
    await world.saved(client)
    await world.saved(client)
    await client.patch("/images/alice/gis-course", json={"active_version": 1})
    assert (
        await client.delete("/images/alice/gis-course/versions/2")
    ).status_code == 200
    assert (await world.saved(client))["version"] == 3


async def test_the_agent_gets_the_pod_and_no_paths_or_hosts(world: World) -> None:
    client = world.alice()
    job = await world.saved(client)
    [body] = world.agent.bodies
    pod = next(
        pod for pod in world.cluster.pods if "component" in pod["metadata"]["labels"]
    )
    assert body == {
        "id": job["id"],
        "pod_uid": pod["metadata"]["uid"],
        "container": "notebook",
        "owner": "alice",
        "pod_owner": "alice",
        "image": "gis-course",
        "number": 1,
        "title": "GIS course",
        "description": "adds QGIS",
        "include_home": True,
        "exclude": [],
        "room": None,
    }
    assert world.agent.tokens == {"agent-token"}


async def test_save_and_stop_stops_after_the_success_only(world: World) -> None:
    client = world.alice()
    world.agent.script = ["fail"]
    reply = await client.post("/commits", json=save_of("alice", stop_after=True))
    assert (await world.ended(client, reply.json()["id"]))["state"] == "failed"
    assert world.hub.stopped == []
    reply = await client.post("/commits", json=save_of("alice", stop_after=True))
    await world.ended(client, reply.json()["id"])
    for _ in range(1000):
        if world.hub.stopped:
            break
        await asyncio.sleep(0.02)
    assert world.hub.stopped == [("alice", "")]


@pytest.mark.parametrize("again", [False, True])
async def test_a_restart_right_after_a_save_still_stops_the_desktop_that_was_saved(
    neighbours: World, again: bool
) -> None:
    async with neighbours.serving() as services:
        client = neighbours.alice()
        reply = await client.post("/commits", json=save_of("alice", stop_after=True))
        job = await neighbours.ended(client, reply.json()["id"])
        await neighbours.until(lambda: services.jobs.open() == [])
        # As if hub_service had ended between the two.
        saved = services.jobs.update(job["id"], settled=False)
        neighbours.hub.stopped.clear()
        if again:
            neighbours.cluster.remove(saved.request["pod_uid"])
            neighbours.cluster.add_session("alice")
    async with neighbours.serving() as services:
        await neighbours.until(lambda: services.jobs.open() == [])
    # One that was started since is another desktop.
    assert neighbours.hub.stopped == ([] if again else [("alice", "")])


async def test_a_desktop_in_use_again_is_not_stopped_late(neighbours: World) -> None:
    async with neighbours.serving() as services:
        client = neighbours.alice()
        reply = await client.post("/commits", json=save_of("alice", stop_after=True))
        job = await neighbours.ended(client, reply.json()["id"])
        await neighbours.until(lambda: services.jobs.open() == [])
        ended = datetime.now(UTC) - timedelta(hours=3)
        services.jobs.update(job["id"], settled=False, ended=ended)
        neighbours.hub.stopped.clear()
    async with neighbours.serving() as services:
        await neighbours.until(lambda: services.jobs.open() == [])
    assert neighbours.hub.stopped == []


async def test_a_save_tells_the_hub_that_the_desktop_is_in_use(world: World) -> None:
    await world.saved(world.alice())
    assert world.hub.active[0][0] == "alice"


async def test_a_stopped_server_is_not_saved(world: World) -> None:
    client = world.client(world.hub.add_user("bob", READ, WRITE))
    reply = await client.post("/commits", json=save_of("bob"))
    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "server_not_running"
    assert world.agent.bodies == []


async def test_somebody_elses_server_is_not_saved(world: World) -> None:
    world.alice()
    client = world.client(world.hub.add_user("bob", READ, WRITE))
    for path in ("/commits", "/commits/preview"):
        body = save_of("alice") if path == "/commits" else {"server": {"user": "alice"}}
        reply = await client.post(path, json=body)
        assert reply.status_code == 403
        assert reply.json()["error"]["code"] == "not_your_server"


async def test_the_same_desktop_is_not_saved_twice_at_once(world: World) -> None:
    client = world.alice()
    world.agent.script = ["hang"]
    replies = await asyncio.gather(
        *[
            client.post("/commits", json=save_of("alice", f"name {number}"))
            for number in range(4)
        ]
    )
    assert sorted(reply.status_code for reply in replies) == [202, 409, 409, 409]
    refused = next(reply for reply in replies if reply.status_code == 409).json()[
        "error"
    ]
    accepted = next(reply for reply in replies if reply.status_code == 202).json()
    assert refused["code"] == "save_in_progress"
    assert refused["details"] == {"job": accepted["id"]}


@pytest.mark.parametrize(
    ("title", "code"),
    [
        ("", "title_empty"),
        ("   ", "title_empty"),
        ("x" * 300, "title_too_long"),
        ("two\nlines", "title_unprintable"),
    ],
)
async def test_a_name_that_is_none_is_refused_in_words(
    world: World, title: str, code: str
) -> None:
    reply = await world.alice().post("/commits", json=save_of("alice", title))
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, code)
    assert world.agent.bodies == []


@pytest.mark.parametrize(
    "title", ["Cartographie été 2026", "地図", "a / b", "../../etc", "🗺"]
)
async def test_any_line_of_text_is_a_name(world: World, title: str) -> None:
    client = world.alice()
    job = await world.saved(client, title)
    assert job["state"] == "succeeded"
    assert job["image"]["title"] == title
    assert (
        await client.get(f"/images/alice/{job['image']['name']}")
    ).status_code == 200


async def test_a_registry_that_is_down_is_found_before_the_desktop_is_touched(
    neighbours: World,
) -> None:
    # The port of "discard": nothing listens there.
    neighbours.addresses["registry"] = "http://127.0.0.1:9"
    async with neighbours.serving():
        reply = await neighbours.alice().post("/commits", json=save_of("alice"))
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "registry_unavailable"
    assert neighbours.agent.bodies == []


async def test_the_agents_failure_is_told_in_the_persons_language(world: World) -> None:
    client = world.alice(**{"Accept-Language": "fr-CA,en;q=0.5"})
    world.agent.script = ["fail"]
    job = await world.saved(client)
    assert job["state"] == "failed"
    assert job["error"]["message"].startswith("Non enregistré")
    assert job["error"]["details"]["reported"] == "the registry did not answer"
    assert (await client.get("/images/alice/gis-course")).status_code == 404


async def test_a_save_that_the_agent_forgot_is_given_to_it_again(world: World) -> None:
    world.agent.script = ["forget", "forget", "succeed"]
    job = await world.saved(world.alice())
    assert job["state"] == "succeeded"
    assert len(world.agent.bodies) == 3
    assert len({body["id"] for body in world.agent.bodies}) == 1


async def test_an_agent_that_forgets_for_ever_ends_the_save(world: World) -> None:
    world.agent.script = ["forget"] * 9
    job = await world.saved(world.alice())
    assert (job["state"], job["error"]["code"]) == ("failed", "agent_lost")
    assert len(world.agent.bodies) == 3


async def test_a_busy_node_keeps_the_save_in_the_queue(world: World) -> None:
    client = world.alice()
    world.agent.refuse = (429, "too_many_saves")
    reply = await client.post("/commits", json=save_of("alice"))
    await asyncio.sleep(0.3)
    assert (await client.get(f"/jobs/{reply.json()['id']}")).json()["state"] == "queued"
    world.agent.refuse = None
    assert (await world.ended(client, reply.json()["id"]))["state"] == "succeeded"


async def test_what_a_failed_save_pushed_is_deleted(world: World) -> None:
    client = world.alice()
    world.agent.script, world.agent.push_before_failing = ["fail"], True
    assert (await world.saved(client))["state"] == "failed"
    for _ in range(1000):
        if not world.registry.manifests.get("desktops/alice/gis-course"):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(world.registry.manifests)


async def test_a_save_can_be_cancelled(world: World) -> None:
    client = world.alice()
    world.agent.script = ["hang"]
    reply = await client.post("/commits", json=save_of("alice"))
    id = reply.json()["id"]
    assert (await client.delete(f"/jobs/{id}")).status_code == 202
    job = await world.ended(client, id)
    assert (job["state"], job["message"]) == (
        "cancelled",
        "Cancelled. Your desktop is unharmed and nothing was saved.",
    )
    # The desktop is free for the next one.
    assert (await world.saved(client))["state"] == "succeeded"


async def test_a_restart_in_the_middle_of_a_save_goes_on_with_it(
    neighbours: World,
) -> None:
    async with neighbours.serving():
        client = neighbours.alice()
        neighbours.agent.script = ["hang"]
        id = (await client.post("/commits", json=save_of("alice"))).json()["id"]
        while not neighbours.agent.bodies:
            await asyncio.sleep(0.02)
    del neighbours.agent.commits[id]
    async with neighbours.serving():
        client = neighbours.client("token-of-alice")
        job = await neighbours.ended(client, id)
    assert job["state"] == "succeeded"


async def test_the_event_stream_ends_with_the_job(world: World) -> None:
    client = world.alice()
    world.agent.script = ["hang"]
    id = (await client.post("/commits", json=save_of("alice"))).json()["id"]
    events = []
    async with client.stream("GET", f"/jobs/{id}/events") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and line != "data: {}":
                events.append(json.loads(line.removeprefix("data: ")))
                if events[-1]["state"] == "running":
                    await client.delete(f"/jobs/{id}")
            if line == "event: end":
                break
    assert events[-1]["state"] == "cancelled"


async def test_the_preview_proposes_the_image_that_the_desktop_was_started_from(
    world: World,
) -> None:
    client = world.alice()
    first = (
        await client.post("/commits/preview", json={"server": {"user": "alice"}})
    ).json()
    assert (first["image"], first["saved_before"]) == (None, False)
    await world.saved(client)
    again = await client.post("/commits/preview", json={"server": {"user": "alice"}})
    assert again.json()["saved_before"] is True
    reference = (await client.get("/images/alice/gis-course")).json()["active_version"][
        "reference"
    ]
    world.cluster.add_session("alice", "saved", image=reference)
    server = {"user": "alice", "name": "saved"}
    preview = (await client.post("/commits/preview", json={"server": server})).json()
    # Another desktop, which has not been saved itself.
    assert preview["saved_before"] is False
    assert preview["image"] == {
        "owner": "alice",
        "name": "gis-course",
        "title": "GIS course",
        "next_version": 2,
    }


async def test_a_hiccup_of_the_agent_ends_no_save(world: World) -> None:
    client = world.alice()
    world.agent.script = ["hang"]
    id = (await client.post("/commits", json=save_of("alice"))).json()["id"]
    while not world.agent.bodies:
        await asyncio.sleep(0.02)
    # What its gate answers while the API server does not tell whose token it is.
    world.agent.refuse = (500, "internal_error")
    await asyncio.sleep(0.2)
    assert (await client.get(f"/jobs/{id}")).json()["state"] == "running"
    world.agent.refuse = None
    await client.delete(f"/jobs/{id}")
    assert (await world.ended(client, id))["state"] == "cancelled"


async def test_what_failed_here_is_ended_there(world: World) -> None:
    client = world.alice()
    world.agent.script = ["hang"]
    id = (await client.post("/commits", json=save_of("alice"))).json()["id"]
    while not world.agent.bodies:
        await asyncio.sleep(0.02)
    world.agent.refuse, world.agent.refused = (403, "forbidden"), ("GET",)
    assert (await world.ended(client, id))["error"]["code"] == "forbidden"
    for _ in range(1000):
        if world.agent.commits[id]["state"] == "cancelled":
            return
        await asyncio.sleep(0.02)
    raise AssertionError(world.agent.commits[id])
