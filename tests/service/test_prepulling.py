"""Telling the nodes which images to fetch beforehand."""

import asyncio

from tests.fakes.hub import ADMIN, READ, WRITE
from tests.service.conftest import World


async def told(world: World, count: int) -> list[str]:
    """Wait until the agent was told so many images; return their references."""
    for _ in range(1000):
        if len(world.agent.wanted) == count:
            return [one["reference"] for one in world.agent.wanted]
        await asyncio.sleep(0.02)
    raise AssertionError(world.agent.wanted)


async def test_what_is_published_is_fetched_and_what_is_not_any_more_is_not(
    world: World,
) -> None:
    admin = world.client(world.hub.add_user("boss", READ, WRITE, ADMIN))
    job = await world.saved(world.alice())
    path = "/images/alice/gis-course"
    await admin.patch(path, json={"visibility": "shared"})
    await asyncio.sleep(0.2)
    assert world.agent.wanted == []
    await admin.patch(path, json={"visibility": "published"})
    [reference] = await told(world, 1)
    assert reference.endswith(f"gis-course@{job['result']['digest']}")
    assert world.agent.wanted[0]["size"] == job["result"]["size"]
    page = await admin.get(f"{world.url}/services/desktops/admin/storage")
    assert "Fetched to the machines beforehand" in page.text
    await admin.patch(path, json={"visibility": "private"})
    assert await told(world, 0) == []


async def test_a_node_whose_agent_is_away_does_not_stop_the_others(
    world: World,
) -> None:
    world.cluster.add_agent("127.9.9.9", node="n2")
    admin = world.client(world.hub.add_user("boss", READ, WRITE, ADMIN))
    await world.saved(world.alice())
    await admin.patch("/images/alice/gis-course", json={"visibility": "published"})
    await told(world, 1)
    assert world.services
    for _ in range(1000):
        if set(world.services.prepulling.nodes) == {"n1"}:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(world.services.prepulling.nodes)
