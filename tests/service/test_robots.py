"""What a pipeline publishes, through the API: from the registry to the spawn page."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.fakes.hub import ACCESS, ADMIN, READ
from tests.service.conftest import World
from tests.service.test_builds import wait_for
from tests.service.test_scans import CRITICAL, LOW, OLD, found, scan_of

HERE = "localhost:30500"
IMAGE = "/images/hub/geomatics"


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running; pipelines publish what is below one path of the registry."""
    neighbours.settings = {"publish_registries": [f"{HERE}/pipeline"]}
    async with neighbours.serving():
        yield neighbours


def robot_of(world: World) -> httpx.AsyncClient:
    """A pipeline's client."""
    scopes = [ACCESS, "custom:desktops:publish"]
    model = {"kind": "service", "name": "desktops-robot", "scopes": scopes}
    world.hub.tokens["robot"] = model
    return world.client("robot")


def reader_of(world: World) -> httpx.AsyncClient:
    """Somebody who looks at what everybody may start."""
    return world.client(world.hub.add_user("eve", READ))


async def publish(
    robot: httpx.AsyncClient, tag: str = "1", **fields: Any
) -> httpx.Response:
    """Publish what was pushed under a tag."""
    body = {"reference": f"{HERE}/pipeline/geomatics:{tag}", **fields}
    return await robot.post(f"{IMAGE}/versions", json=body)


async def profiles(world: World) -> list[dict[str, Any]]:
    """What the spawn page offers to somebody."""
    world.hub.tokens["spawner"] = {
        "kind": "service",
        "name": "spawner",
        "scopes": [ACCESS, "custom:desktops:profiles"],
    }
    reader_of(world)
    reply = await world.client("spawner").get("/profiles", params={"user": "eve"})
    return list(reply.json()["items"])


async def tried_and_scanned(world: World, finding: dict[str, Any]) -> None:
    """Let a version come up, and the scan find something in it."""
    builds = world.cluster.workloads.builds
    tried = await wait_for(lambda: next(iter(builds.values())))
    tried.tell("tester", {"result": {"seconds": 3.0}})
    (await scan_of(world)).tell("scan", found(finding))
    await wait_for(lambda: not builds)


async def test_what_was_pushed_is_on_the_spawn_page(world: World) -> None:
    digest = world.registry.add_image("pipeline/geomatics", "1")
    reply = await publish(robot_of(world), title="Géomatique", note="QGIS 4")
    assert reply.status_code == 200, reply.text
    wanted = f"{HERE}/pipeline/geomatics@{digest}"
    assert reply.json() == {
        "owner": "hub",
        "name": "geomatics",
        "version": 1,
        "reference": wanted,
        "published_version": 1,
        "state": "published",
        "job": None,
        "error": None,
    }
    image = (await reader_of(world).get(IMAGE)).json()
    assert (image["title"], image["visibility"]) == ("Géomatique", "published")
    assert image["active_version"]["note"] == "QGIS 4"
    assert image["active_version"]["size"] == 1000
    [profile] = await profiles(world)
    assert wanted in str(profile)
    audit = await world.client(world.hub.add_user("root", ADMIN)).get("/audit")
    acts = {(act["actor"], act["action"]) for act in audit.json()["items"]}
    assert ("desktops-robot", "image.change") in acts


async def test_a_tag_that_moves_makes_a_version_and_the_old_one_stays(
    world: World,
) -> None:
    robot = robot_of(world)
    first = world.registry.add_image("pipeline/geomatics", "latest")
    assert (await publish(robot, "latest")).json()["version"] == 1
    world.registry.add_image("pipeline/geomatics", "latest", "changed")
    second = (await publish(robot, "latest")).json()
    assert (second["version"], second["published_version"]) == (2, 2)
    # The same again makes nothing; the older one again takes it back.
    assert (await publish(robot, "latest")).json() == second
    body = {"reference": f"{HERE}/pipeline/geomatics@{first}"}
    back = (await robot.post(f"{IMAGE}/versions", json=body)).json()
    assert (back["version"], back["published_version"]) == (1, 1)
    assert world.services
    image = world.services.catalogue.image("hub", "geomatics")
    assert image and [one.number for one in image.versions] == [2, 1]
    assert image.active == 1


@pytest.mark.parametrize(
    ("reference", "status", "code"),
    [
        (f"{HERE}/other/geomatics:1", 403, "registry_not_allowed"),
        (f"{HERE}/pipelines/geomatics:1", 403, "registry_not_allowed"),
        ("evil.example.org/pipeline/geomatics:1", 403, "registry_not_allowed"),
        ("pipeline/geomatics:1", 403, "registry_not_allowed"),
        (f"{HERE}/pipeline/geomatics:none", 404, "image_not_pushed"),
        (f"{HERE}/pipeline/Geo matics", 422, "reference_invalid"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    world: World, reference: str, status: int, code: str
) -> None:
    world.registry.add_image("pipeline/geomatics", "1")
    body = {"reference": reference}
    reply = await robot_of(world).post(f"{IMAGE}/versions", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert world.services and world.services.catalogue.totals() == (0, 0)


async def test_a_robot_publishes_images_of_the_hub_alone(world: World) -> None:
    world.registry.add_image("pipeline/geomatics", "1")
    body = {"reference": f"{HERE}/pipeline/geomatics:1"}
    reply = await robot_of(world).post("/images/alice/gis/versions", json=body)
    assert reply.json()["error"]["code"] == "not_the_hubs"


async def test_a_registry_that_is_away_changes_nothing(world: World) -> None:
    robot = robot_of(world)
    world.registry.add_image("pipeline/geomatics", "1")
    await publish(robot)
    world.registry.moods.auth = "basic"
    reply = await publish(robot, "2")
    assert (reply.status_code, reply.json()["error"]["code"]) == (
        503,
        "registry_unavailable",
    )
    image = (await reader_of(world).get(IMAGE)).json()
    assert (image["published_version"], image["versions"]) == (1, 1)


async def test_it_is_tried_and_scanned_first(neighbours: World) -> None:
    world = neighbours
    world.settings = {"publish_registries": [HERE]}
    world.start_tests, world.scans = True, {"scan_block": "critical"}
    async with world.serving():
        robot = robot_of(world)
        for number, finding in enumerate((LOW, CRITICAL), start=1):
            world.registry.add_image("pipeline/geomatics", "1", str(number))
            reply = await publish(robot)
            assert (reply.status_code, reply.json()["state"]) == (202, "waiting")
            await tried_and_scanned(world, finding)
            state = (await robot.get(f"{IMAGE}/versions/{number}/publication")).json()
            assert state["published_version"] == 1
            # What was not passed is kept, and everybody goes on with the one before.
            passed = finding is LOW
            assert state["state"] == ("published" if passed else "kept")
            assert passed or state["error"]["code"] == "scan_blocks"
        # Again: what is known of it is known.
        reply = await publish(robot)
        assert (reply.status_code, reply.json()["error"]["code"]) == (
            409,
            "scan_blocks",
        )
        [profile] = await profiles(world)
        assert "critical" not in str(profile)


async def test_the_newer_one_wins_although_the_older_one_is_tried_longer(
    neighbours: World,
) -> None:
    world = neighbours
    world.settings, world.start_tests = {"publish_registries": [HERE]}, True
    async with world.serving():
        robot = robot_of(world)
        builds = world.cluster.workloads.builds
        tried = []
        for number in (1, 2):
            world.registry.add_image("pipeline/geomatics", "1", str(number))
            await publish(robot)
            await wait_for(lambda: len(builds) == number)
            tried.append(list(builds.values())[-1])
        for one in reversed(tried):
            one.tell("tester", {"result": {"seconds": 3.0}})
            await wait_for(lambda: one not in builds.values())
        for number, state in ((1, "passed"), (2, "published")):
            reply = await robot.get(f"{IMAGE}/versions/{number}/publication")
            assert reply.json()["state"] == state


async def test_what_is_staged_is_tried_and_waits_until_it_is_asked_for(
    neighbours: World,
) -> None:
    world = neighbours
    world.settings = {"publish_registries": [HERE]}
    world.start_tests, world.scans = True, {"scan_block": "critical"}
    async with world.serving():
        robot = robot_of(world)
        builds = world.cluster.workloads.builds
        for number, finding in enumerate((LOW, CRITICAL), start=1):
            world.registry.add_image("pipeline/geomatics", "1", str(number))
            # That it was to be published holds no more.
            await publish(robot)
            reply = await publish(robot, stage=True)
            assert (reply.status_code, reply.json()["state"]) == (202, "waiting")
            await tried_and_scanned(world, finding)
            state = (await robot.get(f"{IMAGE}/versions/{number}/publication")).json()
            if finding is LOW:
                assert (state["state"], state["published_version"]) == ("passed", None)
                assert await profiles(world) == []
                again = await publish(robot, stage=True)
                assert (again.status_code, again.json()) == (200, state)
                reply = await publish(robot)
                assert (reply.status_code, reply.json()["state"]) == (200, "published")
                assert not builds
            else:
                assert (state["state"], state["published_version"]) == ("kept", 1)
                assert state["error"]["code"] == "scan_blocks"
                again = await publish(robot, stage=True)
                assert again.json()["error"]["code"] == "scan_blocks"


async def test_what_an_administrator_publishes_is_not_taken_back_by_a_stage(
    neighbours: World,
) -> None:
    world = neighbours
    world.settings, world.start_tests = {"publish_registries": [HERE]}, True
    async with world.serving():
        robot, admin = robot_of(world), world.client(world.hub.add_user("root", ADMIN))
        builds = world.cluster.workloads.builds
        world.registry.add_image("pipeline/geomatics", "1")
        await publish(robot, stage=True)
        first = await wait_for(lambda: next(iter(builds.values())))
        assert (
            await admin.patch(IMAGE, json={"published_version": 1})
        ).status_code == 202
        world.registry.add_image("pipeline/geomatics", "1", "changed")
        assert (await publish(robot, stage=True)).json()["version"] == 2
        first.tell("tester", {"result": {"seconds": 3.0}})
        await wait_for(lambda: first not in builds.values())
        state = (await robot.get(f"{IMAGE}/versions/1/publication")).json()
        assert (state["state"], state["published_version"]) == ("published", 1)


async def test_a_scan_that_failed_and_blocks_nothing_is_not_done_again_at_once(
    neighbours: World,
) -> None:
    world = neighbours
    world.settings, world.scans = {"publish_registries": [HERE]}, {"scan_block": ""}
    async with world.serving():
        robot = robot_of(world)
        world.registry.add_image("pipeline/geomatics", "1")
        await publish(robot, stage=True)
        (pod := await scan_of(world)).tell("database", OLD)
        pod.end("database", failed=True)
        await wait_for(lambda: not world.cluster.workloads.builds)
        state = (await robot.get(f"{IMAGE}/versions/1/publication")).json()
        # It may be published, and it is told what is not known of it.
        assert state["state"] == "passed"
        assert state["error"]["code"] == "scan_failed"
        reply = await publish(robot)
        assert (reply.status_code, reply.json()["state"]) == (200, "published")
        assert not world.cluster.workloads.builds


async def test_what_is_published_already_stays_so_when_it_is_staged(
    world: World,
) -> None:
    robot = robot_of(world)
    world.registry.add_image("pipeline/geomatics", "1")
    first = (await publish(robot)).json()
    assert (await publish(robot, stage=True)).json() == first
    world.registry.add_image("pipeline/geomatics", "1", "changed")
    # Nothing is tried on this hub, so it has passed.
    staged = (await publish(robot, stage=True)).json()
    assert (staged["state"], staged["published_version"]) == ("passed", 1)


async def test_an_image_for_several_machines_has_the_size_of_one(world: World) -> None:
    digest = world.registry.add_image("pipeline/geomatics", "amd64")
    kind = "application/vnd.oci.image.index.v1+json"
    platform = {"os": "linux", "architecture": "amd64"}
    one = {"mediaType": "", "digest": digest, "size": 1, "platform": platform}
    top = world.registry.add_document(
        "pipeline/geomatics", "1", kind, {"manifests": [one]}
    )
    reply = await publish(robot_of(world))
    assert reply.json()["reference"].endswith(top)
    image = (await reader_of(world).get(IMAGE)).json()
    assert image["active_version"]["size"] == 1000


@pytest.mark.parametrize("document", [{}, {"layers": [{}]}, {"layers": "none"}])
async def test_what_is_no_image_is_refused(
    world: World, document: dict[str, Any]
) -> None:
    kind = "application/vnd.oci.image.manifest.v1+json"
    world.registry.add_document("pipeline/geomatics", "1", kind, document)
    reply = await publish(robot_of(world))
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "image_broken")
