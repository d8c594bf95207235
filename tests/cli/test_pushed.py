"""Publishing from a pipeline, against the real hub_service."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.cli.conftest import Desk, real_desk
from tests.service.conftest import World
from tests.service.test_builds import wait_for
from tests.service.test_robots import HERE, robot_of

IMAGE = "hub/geomatics"
PUSHED = f"{HERE}/pipeline/geomatics:1"


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running; versions are tried, and pipelines publish."""
    neighbours.settings = {"publish_registries": [HERE]}
    neighbours.start_tests = True
    async with neighbours.serving():
        yield neighbours


@pytest.fixture
def robot(world: World) -> Desk:
    """The command with a robot's token."""
    robot_of(world)
    return real_desk(world, "robot", "")


async def test_a_pipeline_waits_until_everybody_can_start_it(
    world: World, robot: Desk
) -> None:
    world.registry.add_image("pipeline/geomatics", "1")
    running = asyncio.create_task(
        robot.later("publish", IMAGE, "--image", PUSHED, "--title", "Géomatique")
    )
    builds = world.cluster.workloads.builds
    tried = await wait_for(lambda: next(iter(builds.values())))
    assert not running.done()
    tried.tell("tester", {"result": {"seconds": 3.0}})
    done = await running
    assert (done.code, done.output) == (
        0,
        f"Everybody can start version 1 of {IMAGE} now.\n",
    )
    assert "is being tried" in done.errors
    again = await robot.later("publish", IMAGE, "--image", PUSHED, "--json")
    assert (again.code, again.document["version"]) == (0, 1)


async def test_what_does_not_come_up_fails_the_pipeline(
    world: World, robot: Desk
) -> None:
    world.registry.add_image("pipeline/geomatics", "1")
    running = asyncio.create_task(robot.later("publish", IMAGE, "--image", PUSHED))
    builds = world.cluster.workloads.builds
    tried = await wait_for(lambda: next(iter(builds.values())))
    blank = {"code": "blank", "message": "nothing", "details": {}}
    tried.tell("tester", {"error": blank})
    failed = await running
    assert failed.code == 1 and "its screen stayed empty" in failed.errors


async def test_what_is_staged_is_published_by_the_same_line_without_the_word(
    world: World, robot: Desk
) -> None:
    world.registry.add_image("pipeline/geomatics", "1")
    line = ("publish", IMAGE, "--image", PUSHED)
    running = asyncio.create_task(robot.later(*line, "--stage"))
    builds = world.cluster.workloads.builds
    tried = await wait_for(lambda: next(iter(builds.values())))
    assert not running.done()
    tried.tell("tester", {"result": {"seconds": 3.0}})
    staged = await running
    assert (staged.code, "version 1 of" in staged.output.lower()) == (0, True)
    assert "has passed" in staged.output
    assert world.services
    image = world.services.catalogue.image("hub", "geomatics")
    assert image and (image.visibility, image.published) == ("private", None)
    done = await robot.later(*line, "--json")
    assert (done.code, done.document["state"]) == (0, "published")


async def test_to_stage_is_a_pipelines_alone(world: World) -> None:
    world.alice()
    alice = real_desk(world, "token-of-alice")
    refused = await alice.later("publish", IMAGE, "--stage", "--approve")
    assert (refused.code, "with --image alone" in refused.errors) == (2, True)


@pytest.mark.parametrize(
    ("image", "reference", "code", "words"),
    [
        (IMAGE, "evil.example.org/a:1", 3, "an administrator has not put it on"),
        (IMAGE, f"{HERE}/pipeline/none:1", 4, "Push it first"),
        ("alice/gis", PUSHED, 3, "images of hub alone"),
        (IMAGE, "no reference", 1, "no image reference"),
    ],
)
async def test_each_refusal_has_its_exit_code(
    world: World, robot: Desk, image: str, reference: str, code: int, words: str
) -> None:
    result = await robot.later("publish", image, "--image", reference)
    assert (result.code, result.output) == (code, "")
    assert words in result.errors


async def test_a_registry_that_is_away_is_worth_another_try(
    world: World, robot: Desk
) -> None:
    world.registry.moods.auth = "basic"
    result = await robot.later("publish", IMAGE, "--image", PUSHED)
    assert result.code == 5


async def test_who_is_no_robot_publishes_nothing(world: World) -> None:
    world.alice()
    alice = real_desk(world, "token-of-alice")
    result = await alice.later("publish", IMAGE, "--image", PUSHED)
    assert (result.code, "custom:desktops:publish" in result.errors) == (3, True)
