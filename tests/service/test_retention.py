"""The retention rule: the dry run shows what goes, the run deletes that and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from hub_service.models import Version
from tests.fakes.hub import ADMIN
from tests.service.conftest import World
from tests.service.test_database import version
from tests.service.test_pages import page_client

PROFILES = "custom:desktops:profiles"
OLD = datetime.now(UTC) - timedelta(days=100)


@pytest.fixture
def admin(world: World) -> httpx.AsyncClient:
    return world.client(world.hub.add_user("root", ADMIN))


def add(world: World, owner: str, name: str, *versions: Version) -> None:
    assert world.services
    for one in versions:
        world.services.catalogue.add_version(owner, name, name, one)


def old(number: int, digit: str, **fields: Any) -> Version:
    digest = "sha256:" + digit * 64
    reference = f"localhost:30500/desktops/x@{digest}"
    made = {"created": OLD, "digest": digest, "reference": reference, "new_bytes": 100}
    return version(number, **{**made, **fields})


async def dry_run(admin: httpx.AsyncClient, days: int = 30) -> dict[str, Any]:
    reply = await admin.post("/retention-plans", json={"days": days})
    assert reply.status_code == 201, reply.text
    plan: dict[str, Any] = reply.json()
    return plan


async def run(admin: httpx.AsyncClient, plan: dict[str, Any]) -> dict[str, Any]:
    reply = await admin.post(f"/retention-plans/{plan['id']}/run")
    assert reply.status_code == 200, reply.text
    done: dict[str, Any] = reply.json()
    return done


def numbers(plan: dict[str, Any], state: str = "waiting") -> list[int]:
    return [one["number"] for one in plan["items"] if one["state"] == state]


async def versions_of(admin: httpx.AsyncClient, path: str) -> list[int]:
    items = (await admin.get(f"/images/{path}/versions")).json()["items"]
    return [one["number"] for one in items]


async def started(world: World, owner: str, name: str, number: int) -> None:
    spawner = world.client(world.hub.add_user("the-spawner", PROFILES))
    body = {"image": {"owner": owner, "name": name}, "version": number}
    assert (await spawner.post("/starts", json=body)).status_code == 201


async def test_a_start_is_written_down(world: World, admin: httpx.AsyncClient) -> None:
    add(world, "alice", "gis", old(1, "1"), old(2, "2"))
    before = datetime.now(UTC)
    await started(world, "alice", "gis", 1)
    image = (await admin.get("/images/alice/gis")).json()
    one = (await admin.get("/images/alice/gis/versions/1")).json()
    other = (await admin.get("/images/alice/gis/versions/2")).json()
    assert datetime.fromisoformat(image["last_started"]) >= before
    assert (one["last_started"], other["last_started"]) == (image["last_started"], None)
    spawner = world.client("token-of-the-spawner")
    for body in (
        {"image": {"owner": "alice", "name": "gis"}, "version": 9},
        {"image": {"owner": "bob", "name": "gis"}, "version": 1},
    ):
        assert (await spawner.post("/starts", json=body)).status_code == 404


async def test_the_rule_names_old_versions_alone(
    world: World, admin: httpx.AsyncClient
) -> None:
    young = {"created": datetime.now(UTC)}
    add(world, "alice", "gis", *[old(number, str(number)) for number in range(1, 7)])
    add(world, "alice", "gis", old(7, "7", **young), old(8, "8"))
    await admin.patch("/images/alice/gis", json={"published_version": 2})
    ask = {"version": 3}
    await admin.post("/images/alice/gis/publication-requests", json=ask)
    await started(world, "alice", "gis", 4)
    world.hub.add_user("bob")
    world.cluster.add_session("bob", image=old(5, "5").reference)
    # 2 is published, 3 waits for that, 4 was started, 5 runs, 7 is young, 8 is active.
    assert numbers(await dry_run(admin)) == [1, 6]
    assert numbers(await dry_run(admin, 101)) == []
    # Looking deletes nothing.
    assert len(await versions_of(admin, "alice/gis")) == 8


async def test_bytes_that_others_use_are_not_freed(
    world: World, admin: httpx.AsyncClient
) -> None:
    below = {"name": "gis", "digest": old(1, "1").digest}
    add(world, "alice", "gis", old(1, "1"), old(2, "2", base=below), old(3, "3"))
    # Somebody else's stands on version 2, and so on version 1.
    above = {"name": "gis", "digest": old(2, "2").digest}
    add(world, "bob", "mine", old(1, "4", base=above))
    plan = await dry_run(admin)
    assert [(one["number"], one["bytes"]) for one in plan["items"]] == [(1, 0), (2, 0)]
    await admin.delete("/images/bob/mine")
    plan = await dry_run(admin)
    assert plan["bytes"] == 200
    assert [one["bytes"] for one in plan["items"]] == [100, 100]


async def test_layers_that_saves_of_one_session_share_are_freed_once(
    world: World, admin: httpx.AsyncClient
) -> None:
    def brought(**layers: int) -> dict[str, Any]:
        return {"new_layers": layers}

    add(
        world,
        "alice",
        "gis",
        old(1, "1", details=brought(first=70)),
        old(2, "2", details=brought(first=70, second=5)),
        old(3, "3", details=brought(first=70, third=6)),
    )
    # Version 3 is active, and holds the first layer.
    assert [one["bytes"] for one in (await dry_run(admin))["items"]] == [0, 5]
    add(world, "alice", "gis", old(4, "4", details=brought(fourth=1)))
    freed = [one["bytes"] for one in (await dry_run(admin))["items"]]
    assert freed == [70, 5, 6]


async def test_the_run_deletes_what_was_shown_and_nothing_else(
    world: World, admin: httpx.AsyncClient
) -> None:
    alice = world.alice()
    for _ in range(4):
        await world.saved(alice)
    path = "alice/gis-course"
    add(world, "alice", "gis", old(1, "1"), old(2, "2"), old(3, "3"), old(4, "4"))
    plan = await dry_run(admin)
    assert numbers(plan) == [1, 2, 3]
    # Since then: one is started, one active, and one more has become old enough.
    await started(world, "alice", "gis", 2)
    await alice.patch("/images/alice/gis", json={"active_version": 3})
    done = await run(admin, plan)
    assert (numbers(done, "deleted"), numbers(done, "kept")) == ([1], [2, 3])
    assert "meanwhile" in done["items"][1]["why"]["message"]
    assert (done["freed_bytes"], done["ran_by"]) == (100, "root")
    assert await versions_of(admin, "alice/gis") == [4, 3, 2]
    assert len(await versions_of(admin, path)) == 4
    acts = (await admin.get("/audit?q=root")).json()["items"]
    assert [(one["action"], one["target"]) for one in acts] == [
        ("retention.run", f"retention:{plan['id']}"),
        ("version.delete", "alice/gis:1"),
        ("retention.dry-run", f"retention:{plan['id']}"),
    ]
    assert acts[0]["details"] == {"days": 30, "deleted": 1, "kept": 2, "bytes": 100}
    again = await admin.post(f"/retention-plans/{plan['id']}/run")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "retention_ran")


async def test_manifests_are_gone_after_the_run(
    world: World, admin: httpx.AsyncClient
) -> None:
    assert world.services
    alice = world.alice()
    await world.saved(alice)
    [digest] = world.registry.manifests["desktops/alice/gis-course"]
    image = world.services.catalogue.image("alice", "gis-course")
    assert image
    # The same manifest as an old version of another number, so that only its row may go.
    add(world, "alice", "gis-course", old(2, "2", digest=digest), old(3, "3"))
    assert numbers(await run(admin, await dry_run(admin)), "deleted") == [2]
    assert list(world.registry.manifests["desktops/alice/gis-course"]) == [digest]


async def test_a_run_that_breaks_off_is_carried_on(neighbours: World) -> None:
    async with neighbours.serving() as services:
        admin = neighbours.client(neighbours.hub.add_user("root", ADMIN))
        add(neighbours, "alice", "gis", old(1, "1"), old(2, "2"), old(3, "3"))
        plan = await dry_run(admin)
        # As if hub_service had ended after the first.
        services.catalogue.remove_version("root", "alice", "gis", 1)
        items = services.retention_plans.get(plan["id"])
        assert items
        first = replace(items.items[0], state="deleted")
        services.retention_plans.keep(plan["id"], [first, *items.items[1:]])
    async with neighbours.serving():
        admin = neighbours.client("token-of-root")
        assert numbers(await run(admin, plan), "deleted") == [1, 2]


async def test_a_list_of_yesterday_is_not_carried_out(
    world: World, admin: httpx.AsyncClient
) -> None:
    assert world.services
    plan = await dry_run(admin)
    retention = world.services.retention
    retention.clock = lambda: datetime.now(UTC) + timedelta(days=2)
    reply = await admin.post(f"/retention-plans/{plan['id']}/run")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "retention_old")


@pytest.mark.parametrize("days", [0, -1, 4000, "30", 1.5, None])
async def test_days_that_are_none_are_refused(
    admin: httpx.AsyncClient, days: object
) -> None:
    reply = await admin.post("/retention-plans", json={"days": days})
    assert reply.status_code == 422


async def test_the_pages_of_the_rule(world: World, admin: httpx.AsyncClient) -> None:
    add(world, "alice", "<b>gis</b>", old(1, "1"), old(2, "2"))
    pages = page_client(world, "token-of-root")
    assert "Nothing is deleted yet." in (await pages.get("admin/retention")).text
    shown = await pages.post("admin/retention", data={"days": "30"})
    assert shown.status_code == 302
    path = shown.headers["location"].removeprefix("/services/desktops/")
    page = (await pages.get(path)).text
    assert "Versions that would go: 1." in page and "<b>gis</b>" not in page
    assert (await pages.post(path)).status_code == 302
    page = (await pages.get(path)).text
    assert "Versions deleted: 1." in page
    assert "deleted by root" in (await pages.get("admin/retention")).text
    again = await pages.post(path)
    assert (again.status_code, "already, by root" in again.text) == (409, True)
    for days in ("0", "many"):
        odd = await pages.post("admin/retention", data={"days": days})
        assert (odd.status_code, f'value="{days}"' in odd.text) == (422, True)
    assert (await pages.get("admin/retention/99")).status_code == 404
    # A dry run that shows nothing.
    shown = await pages.post("admin/retention", data={"days": "300"})
    path = shown.headers["location"].removeprefix("/services/desktops/")
    assert "Nothing would go." in (await pages.get(path)).text
