"""How much people may keep: who decides, what is refused and with which words."""

from typing import Any

import httpx
import pytest

from hub_service.models import Person
from hub_service.rules.quota import Quota, deciding
from tests.fakes.agent import PREVIEW
from tests.fakes.hub import ADMIN, READ, WRITE
from tests.service.conftest import World, save_of
from tests.service.test_database import version
from tests.service.test_pages import page_client
from tests.service.test_rights import DOCKERFILE

BUILD = {"image": "With R", "dockerfile": DOCKERFILE}


@pytest.fixture
def admin(world: World) -> httpx.AsyncClient:
    return world.client(world.hub.add_user("root", ADMIN))


async def limit(admin: httpx.AsyncClient, whom: str, **figures: Any) -> None:
    reply = await admin.put(f"/quotas/{whom}", json=figures)
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ((), {"all"}),
        (("gis",), {"gis"}),
        (("gis", "staff", "unknown"), {"gis", "staff"}),
    ],
)
def test_the_nearest_rule_decides(groups: tuple[str, ...], names: set[str]) -> None:
    rules = [
        Quota("everybody", "all", 1, None),
        Quota("group", "gis", 2, None),
        Quota("group", "staff", None, 5),
        Quota("user", "bob", 3, None),
    ]
    decide = deciding(Person("alice", frozenset(groups)), rules)
    assert {rule.name for rule in decide} == names
    own = deciding(Person("bob", frozenset(groups)), rules)
    assert own == (Quota("user", "bob", 3, None),)


async def test_nothing_is_limited_by_itself(world: World) -> None:
    alice = world.alice()
    await world.saved(alice)
    assert (await alice.get("/quota")).json() == {
        "bytes": {"used": 100, "limit": None},
        "versions": {"used": 1, "limit": None},
        "rules": [],
    }
    preview = await alice.post("/commits/preview", json={"server": {"user": "alice"}})
    assert preview.json()["quota"] is None


async def test_the_most_generous_group_counts(
    world: World, admin: httpx.AsyncClient
) -> None:
    token = world.hub.add_user("alice", READ, WRITE, groups=("gis", "staff"))
    alice = world.client(token)
    await limit(admin, "everybody/all", bytes=1, versions=1)
    await limit(admin, "group/gis", bytes=10**9, versions=3)
    await limit(admin, "group/staff", bytes=10**8, versions=None)
    seen = (await alice.get("/quota")).json()
    assert (seen["bytes"]["limit"], seen["versions"]["limit"]) == (10**9, None)
    await limit(admin, "user/alice", versions=7)
    seen = (await alice.get("/quota")).json()
    assert (seen["bytes"]["limit"], seen["versions"]["limit"]) == (None, 7)
    assert (await admin.delete("/quotas/user/alice")).status_code == 200
    assert (await admin.delete("/quotas/user/alice")).status_code == 404
    assert len((await admin.get("/quotas")).json()["items"]) == 3


async def test_a_save_that_does_not_fit_is_refused_with_the_figures(
    world: World, admin: httpx.AsyncClient
) -> None:
    alice = world.alice()
    await limit(admin, "user/alice", bytes=300_000_000)
    reply = await alice.post("/commits", json=save_of("alice"))
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (409, "quota_exceeded")
    assert "needs up to 412 MB and you have 300 MB of 300 MB left" in error["message"]
    assert error["details"]["bytes"] == {"used": 0, "limit": 300_000_000}
    french = world.client("token-of-alice", **{"Accept-Language": "fr"})
    reply = await french.post("/commits", json=save_of("alice"))
    assert "jusqu’à 412 Mo" in reply.json()["error"]["message"]
    # The desktop was only looked at, and no job is left.
    assert not world.agent.commits
    assert (await alice.get("/jobs")).json()["items"] == []
    await limit(admin, "user/alice", bytes=PREVIEW["bytes"])
    assert (await world.saved(alice))["state"] == "succeeded"
    preview = await alice.post("/commits/preview", json={"server": {"user": "alice"}})
    assert preview.json()["quota"]["bytes"] == {"used": 100, "limit": PREVIEW["bytes"]}


async def test_what_an_earlier_save_holds_is_not_needed_again(
    world: World, admin: httpx.AsyncClient
) -> None:
    alice = world.alice()
    held = {"changed_bytes": 400_000_000, "new_layers": {"sha256:a": 200_000_000}}
    world.agent.result = held
    await limit(admin, "user/alice", bytes=PREVIEW["bytes"])
    await world.saved(alice)
    await world.saved(alice)
    seen = (await alice.get("/quota")).json()
    assert seen["bytes"]["used"] == 200_000_000
    # Of another session nothing is held.
    world.hub.add_server("alice", "second")
    world.cluster.add_session("alice", "second")
    other = {**save_of("alice"), "server": {"user": "alice", "name": "second"}}
    reply = await alice.post("/commits", json=other)
    assert "needs up to 412 MB and you have 212 MB" in reply.json()["error"]["message"]


async def test_the_agent_knows_what_else_may_come(
    world: World, admin: httpx.AsyncClient
) -> None:
    alice = world.alice()
    await limit(admin, "user/alice", bytes=PREVIEW["bytes"] + 1000)
    await world.saved(alice)
    assert world.agent.bodies[-1]["room"] == 1000


async def test_what_was_joined_is_kept_by_the_older_versions_alone(
    world: World,
) -> None:
    alice = world.alice()
    world.agent.result = {"new_layers": {"sha256:a": 200}}
    first = await world.saved(alice)
    world.agent.result = {
        "new_layers": {"sha256:j": 50},
        "joined_layers": ["sha256:a"],
        "base": {"name": "", "digest": first["result"]["digest"]},
    }
    await world.saved(alice)
    assert (await alice.get("/quota")).json()["bytes"]["used"] == 250
    reply = await alice.delete("/images/alice/gis-course/versions/1")
    assert reply.status_code == 200
    assert (await alice.get("/quota")).json()["bytes"]["used"] == 50


async def test_what_is_under_way_counts(world: World, admin: httpx.AsyncClient) -> None:
    alice = world.alice()
    world.hub.add_server("alice", "second")
    world.cluster.add_session("alice", "second")
    world.agent.script = ["hang"]
    await limit(admin, "user/alice", bytes=500_000_000)
    assert (await alice.post("/commits", json=save_of("alice"))).status_code == 202
    other = {**save_of("alice", "R"), "server": {"user": "alice", "name": "second"}}
    reply = await alice.post("/commits", json=other)
    assert "you have 88 MB of 500 MB left" in reply.json()["error"]["message"]
    await limit(admin, "user/alice", versions=1)
    reply = await alice.post("/commits", json=other)
    assert "as many versions as you may keep: 1" in reply.json()["error"]["message"]


async def test_what_is_recorded_already_is_not_counted_as_coming(world: World) -> None:
    assert world.services
    job = await world.saved(world.alice())
    # As while its desktop is tried: the version is there, the job has not ended.
    world.cluster.pods = []
    world.services.jobs.update(job["id"], state="running")
    allowance = world.services.quotas.allowance(Person("alice"))
    assert (allowance.usage.versions, allowance.coming_versions) == (1, 0)


async def test_a_build_needs_room_too(world: World, admin: httpx.AsyncClient) -> None:
    alice = world.alice()
    await world.saved(alice)
    for figures, words in [
        ({"bytes": 100}, "Not built: of your 1 kB, 0 kB are left."),
        ({"versions": 1}, "Not built: you have as many versions as you may keep: 1."),
    ]:
        await limit(admin, "everybody/all", **figures)
        reply = await alice.post("/builds", json=BUILD)
        assert (reply.status_code, reply.json()["error"]["code"]) == (
            409,
            "quota_exceeded",
        )
        assert words in reply.json()["error"]["message"]
    await limit(admin, "everybody/all", versions=2)
    assert (await alice.post("/builds", json=BUILD)).status_code == 202


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("user/alice", {}, "quota_empty"),
        ("user/alice", {"bytes": None, "versions": None}, "quota_empty"),
        ("user/alice", {"bytes": -1}, "invalid_request"),
        ("user/alice", {"bytes": 10**30}, "invalid_request"),
        ("everybody/alice", {"bytes": 1}, "invalid_request"),
        (f"user/{'a' * 300}", {"bytes": 1}, "invalid_request"),
        ("user/%20", {"bytes": 1}, "invalid_request"),
    ],
)
async def test_a_rule_that_is_none_is_refused(
    admin: httpx.AsyncClient, path: str, body: dict[str, Any], code: str
) -> None:
    reply = await admin.put(f"/quotas/{path}", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, code)


async def test_rules_are_in_the_audit(admin: httpx.AsyncClient) -> None:
    await limit(admin, "group/gis", bytes=5)
    await admin.delete("/quotas/group/gis")
    acts = (await admin.get("/audit")).json()["items"]
    assert [(one["action"], one["target"], one["details"]) for one in acts] == [
        ("quota.remove", "quota:group/gis", {}),
        ("quota.set", "quota:group/gis", {"bytes": 5, "versions": None}),
    ]


async def test_the_pages_of_quotas(world: World, admin: httpx.AsyncClient) -> None:
    alice = world.alice()
    await world.saved(alice)
    pages = page_client(world, "token-of-root")
    form = {"kind": "user", "name": " alice ", "gigabytes": "0,5", "versions": ""}
    done = await pages.post("admin/people", data={**form, "act": "set"})
    assert done.status_code == 302, done.text
    assert (await alice.get("/quota")).json()["bytes"]["limit"] == 500_000_000
    shown = (await pages.get("admin/people")).text
    assert "1 kB of 500 MB" in shown and "user alice" in shown
    for odd in ("many", "-1", "nan", "1e300"):
        data = {**form, "act": "set", "gigabytes": odd}
        reply = await pages.post("admin/people", data=data)
        assert (reply.status_code, f'value="{odd}"' in reply.text) == (422, True)
    mine = (await page_client(world, "token-of-alice").get("")).text
    assert "1 kB of 500 MB" in mine and 'role="progressbar"' in mine
    await pages.post("admin/people", data={**form, "act": "remove"})
    assert (
        'role="progressbar"'
        not in (await page_client(world, "token-of-alice").get("")).text
    )
    assert "Nothing matches." in (await pages.get("admin/people?q=nobody")).text


async def test_what_one_stands_on_counts_when_nobody_else_keeps_it(
    world: World,
) -> None:
    assert world.services
    catalogue, store = world.services.catalogue, world.services.quotas.store
    big = version(1)
    small = version(2, base={"name": "big", "digest": big.digest}, new_bytes=1000)
    catalogue.add_version("alice", "big", "Big", big)
    catalogue.add_version("alice", "small", "Small", small)
    catalogue.add_version("bob", "mine", "Mine", small)
    assert store.usage("alice").bytes == big.new_bytes + 1000
    assert store.usage("bob").bytes == 1000
    catalogue.remove_image("alice", "alice", "big")
    assert store.usage("alice").bytes == big.new_bytes + 1000
    assert store.usages()["bob"].bytes == big.new_bytes + 1000
