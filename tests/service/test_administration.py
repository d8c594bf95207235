"""What administrators decide: looks, order and limits of images, seen at the next start."""

from typing import Any

import httpx
import pytest

from tests.fakes.hub import ADMIN, READ, WRITE
from tests.service.conftest import World
from tests.service.test_pages import page_client

IMAGE = "/images/alice/gis-course"
PROFILES = "custom:desktops:profiles"


async def profiles_of(world: World, user: str) -> list[dict[str, Any]]:
    client = world.client(world.hub.add_user("the-spawner", PROFILES))
    reply = await client.get("/profiles", params={"user": user})
    items: list[dict[str, Any]] = reply.json()["items"]
    return items


@pytest.fixture
async def alice(world: World) -> httpx.AsyncClient:
    """The owner of three images; the oldest is GIS course."""
    client = world.alice()
    for title in ("GIS course", "R", "Python"):
        await world.saved(client, title)
    return client


@pytest.fixture
def admin(world: World) -> httpx.AsyncClient:
    return world.client(world.hub.add_user("root", ADMIN))


async def test_an_edit_shows_at_once_to_everybody(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    looks = {"title": "Maps", "description": "QGIS", "icon": "map", "tags": ["gis"]}
    limits = {"cpu": 1.5, "memory": 2 * 10**9, "gpu": 1}
    change = {"visibility": "published", **looks, "limits": limits}
    assert (await admin.patch(IMAGE, json=change)).status_code == 200
    [seen] = await profiles_of(world, "bob")
    assert {key: seen[key] for key in looks} == looks
    assert seen["limits"] == limits
    # What is null or zero is no limit.
    none = {"cpu": None, "gpu": 0, "memory": 10**9}
    await admin.patch(IMAGE, json={"limits": none})
    [seen] = await profiles_of(world, "bob")
    assert seen["limits"] == {"memory": 10**9}


async def test_owners_choose_looks_but_not_limits(
    world: World, alice: httpx.AsyncClient
) -> None:
    tags = [" gis ", "Été", "gis", ""]
    changed = await alice.patch(IMAGE, json={"icon": "flask", "tags": tags})
    assert (changed.json()["icon"], changed.json()["tags"]) == ("flask", ["gis", "Été"])
    refused = await alice.patch(IMAGE, json={"limits": {"gpu": 8}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (
        403,
        "not_limiter",
    )
    # Tags are found by the search.
    found = (await alice.get("/images", params={"q": "été"})).json()["items"]
    assert [one["name"] for one in found] == ["gis-course"]


@pytest.mark.parametrize(
    "body",
    [
        {"icon": "../../etc/passwd"},
        {"icon": 'desktop" onload="alert(1)'},
        {"tags": ["a" * 31]},
        {"tags": [str(number) for number in range(11)]},
        {"tags": ["two\nlines of\x07 it"]},
        {"limits": {"cpu": 0}},
        {"limits": {"cpu": -1}},
        {"limits": {"memory": 5}},
        {"limits": {"disk": 5}},
        {"limits": {"gpu": 1.5}},
    ],
)
async def test_odd_looks_and_limits_are_refused(
    admin: httpx.AsyncClient, alice: httpx.AsyncClient, body: dict[str, object]
) -> None:
    assert (await admin.patch(IMAGE, json=body)).status_code == 422


async def test_what_is_no_number_is_refused(
    admin: httpx.AsyncClient, alice: httpx.AsyncClient
) -> None:
    for text in ("NaN", "Infinity"):
        reply = await admin.patch(IMAGE, content=f'{{"limits": {{"cpu": {text}}}}}')
        assert (reply.status_code, reply.json()["error"]["code"]) == (
            422,
            "invalid_json",
        )


async def test_the_spawn_page_has_the_administrators_order(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    for name in ("gis-course", "r", "python"):
        body = {"visibility": "published"}
        await admin.patch(f"/images/alice/{name}", json=body)

    async def order() -> list[str]:
        return [one["name"] for one in await profiles_of(world, "bob")]

    assert await order() == ["python", "r", "gis-course"]
    first = {"items": [{"owner": "alice", "name": "r"}]}
    assert (await admin.put("/spawn-order", json=first)).status_code == 200
    assert await order() == ["r", "python", "gis-course"]
    pages = page_client(world, "token-of-root")
    form = {"owner": "alice", "name": "gis-course", "act": "up"}
    assert (await pages.post("admin/order", data=form)).status_code == 302
    assert await order() == ["r", "gis-course", "python"]
    await pages.post("admin/order", data={**form, "act": "down"})
    assert await order() == ["r", "python", "gis-course"]
    # What is last already stays there.
    await pages.post("admin/order", data={**form, "act": "down"})
    assert await order() == ["r", "python", "gis-course"]
    odd = await pages.post("admin/order", data={**form, "name": "none"})
    assert odd.status_code == 404
    await admin.put("/spawn-order", json={"items": []})
    assert await order() == ["python", "r", "gis-course"]
    missing = {"items": [{"owner": "alice", "name": "none"}]}
    assert (await admin.put("/spawn-order", json=missing)).status_code == 409


async def test_the_forms_of_an_image(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    looks = {"title": "Maps", "description": "", "icon": "globe", "tags": "gis, R , "}
    page = "images/alice/gis-course"
    mine = page_client(world, "token-of-alice")
    assert (await mine.post(page, data={**looks, "act": "describe"})).status_code == 302
    image = (await alice.get(IMAGE)).json()
    assert (image["icon"], image["tags"]) == ("globe", ["gis", "R"])
    limits = {"cpu": "0,5", "memory": "1.5", "gpu": "", "act": "limit"}
    assert (await mine.post(page, data=limits)).status_code == 403
    assert "What a desktop of it may use" not in (await mine.get(page)).text
    pages = page_client(world, "token-of-root")
    assert (await pages.post(page, data=limits)).status_code == 302
    image = (await alice.get(IMAGE)).json()
    assert image["limits"] == {"cpu": 0.5, "memory": 1_500_000_000}
    assert 'value="1.5"' in (await pages.get(page)).text
    for odd in ("much", "nan", "inf", "-1"):
        for field in ("cpu", "memory", "gpu"):
            reply = await pages.post(page, data={"act": "limit", field: odd})
            assert reply.status_code == 422, (odd, field)


async def test_what_images_share_is_counted_once(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    """R and Python stand on the same large layer, and GIS course has its own."""
    for title, layers in (
        ("R", {"big": 900_000_000, "r": 2_000_000}),
        ("Python", {"big": 900_000_000, "python": 3_000_000}),
    ):
        world.agent.result = {"new_layers": layers}
        await world.saved(alice, title)
    pages = page_client(world, "token-of-root")
    assert "3 images, 905 MB in all" in (await pages.get("admin/images")).text
    mine = page_client(world, "token-of-alice")
    page = (await mine.get("images/alice/r")).text
    assert "Delete R with its 2 versions, which frees up to 2 MB?" in page
    assert (await alice.delete("/images/alice/r")).json() == {"freed_bytes": 2_000_100}
    page = (await mine.get("images/alice/python")).text
    assert "which frees up to 903 MB?" in page


async def test_whoever_names_somebody_shares_and_is_told(
    world: World, alice: httpx.AsyncClient
) -> None:
    page = "images/alice/gis-course"
    mine = page_client(world, "token-of-alice")

    async def shared(visibility: str, users: str, groups: str = "") -> str:
        form = {"visibility": visibility, "users": users, "groups": groups}
        reply = await mine.post(page, data={**form, "act": "share"})
        assert reply.status_code == 302, reply.text
        shown = await mine.get(f"{world.url}{reply.headers['location']}")
        assert '<div class="alert alert-success" role="status">Saved.' in shown.text
        return str((await alice.get(IMAGE)).json()["visibility"])

    assert await shared("private", "") == "private"
    assert await shared("private", "bob") == "shared"
    # Those who were named before do not change what was chosen.
    assert await shared("private", "bob") == "private"
    assert await shared("private", "bob", "gis") == "shared"
    assert await shared("private", "") == "private"
    french = page_client(world, "token-of-alice", "fr")
    assert "Enregistré." in (await french.get(f"{page}?done=saved")).text
    assert "alert-success" not in (await mine.get(f"{page}?done=other")).text


async def test_jobs_are_found_by_person_kind_and_state(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    world.agent.script = ["fail"]
    await world.saved(alice, "Broken")

    async def titles(**filters: str) -> list[str]:
        params = {"all": "true", **filters}
        items = (await admin.get("/jobs", params=params)).json()["items"]
        return [one["image"]["title"] for one in items]

    assert await titles() == ["Broken", "Python", "R", "GIS course"]
    assert await titles(state="failed") == ["Broken"]
    assert await titles(q="alice", state="succeeded", kind="commit") == [
        "Python",
        "R",
        "GIS course",
    ]
    assert await titles(q="gis") == ["GIS course"]
    assert await titles(kind="build") == await titles(q="nobody") == []
    pages = page_client(world, "token-of-root")
    page = (await pages.get("admin/jobs?state=failed&q=alice")).text
    assert "Broken" in page and "GIS course" not in page
    assert '<td class="text-nowrap">Save</td>' in page
    assert "Nothing matches." in (await pages.get("admin/jobs?kind=build")).text


async def test_older_jobs_are_on_the_next_page(world: World) -> None:
    assert world.services
    jobs = world.services.jobs
    await world.saved(world.alice())
    for title in ("R", "Python"):
        await world.saved(world.client("token-of-alice"), title)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = jobs.latest("alice", 1, cursor=cursor)
        seen += [job.title for job in page]
    assert seen == ["Python", "R", "GIS course"]


async def all_kinds_of_acts(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> str:
    """Do as an administrator what can be done; return the job that was cancelled."""
    world.agent.script = ["hang"]
    saving = await alice.post(
        "/commits", json={"server": {"user": "alice"}, "image": "Long"}
    )
    await admin.patch(IMAGE, json={"visibility": "published", "limits": {"gpu": 1}})
    order = {"items": [{"owner": "alice", "name": "gis-course"}]}
    await admin.put("/spawn-order", json=order)
    await admin.put("/quotas/user/bob", json={"versions": 1})
    await admin.delete("/quotas/user/bob")
    plan = (await admin.post("/retention-plans", json={"days": 9})).json()
    await admin.post(f"/retention-plans/{plan['id']}/run")
    await admin.delete(f"/jobs/{saving.json()['id']}")
    await admin.delete("/images/alice/r")
    return str(saving.json()["id"])


async def test_everything_an_administrator_does_is_in_the_audit(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await all_kinds_of_acts(world, alice, admin)
    acts = (await admin.get("/audit?q=root")).json()["items"]
    assert [one["action"] for one in reversed(acts)] == [
        "image.change",
        "spawn-page.arrange",
        "quota.set",
        "quota.remove",
        "retention.dry-run",
        "retention.run",
        "job.cancel",
        "image.delete",
    ]
    found = (await admin.get("/audit?action=job.cancel")).json()["items"]
    assert [one["target"] for one in found] == ["alice/long:1"]


async def test_the_audits_page_says_in_words_what_was_done(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    job = await all_kinds_of_acts(world, alice, admin)
    pages = page_client(world, "token-of-root")
    page = (await pages.get("admin/audit")).text
    for link in ("admin/people", "admin/retention/1", "admin/order"):
        assert f'href="/services/desktops/{link}"' in page
    shown = [
        "now published · at most 1 GPU · everybody starts version 1",
        "first: alice/gis-course",
        "no limit of space · at most 1 version",
        "not started for 9 days · 0 versions · would free 0 kB",
        "not started for 9 days · 0 versions deleted · frees 0 kB",
        f"job {job[:8]}",
    ]
    for about in ("user bob", "alice/long, version 1", "Unused versions", "alice/r"):
        assert f">{about}</a></td>" in page, about
    for words in shown:
        assert f'<td class="small text-break">{words}</td>' in page, words
    for words in ("changed an image", "set a quota", "cancelled a job"):
        assert f"<td>{words}</td>" in page
    assert "<code>" not in page
    some = (await pages.get("admin/audit?action=image.delete")).text
    assert "alice/r" in some and "Spawn page</a></td>" not in some


async def test_last_starts_are_among_the_images(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    spawner = world.client(world.hub.add_user("the-spawner", PROFILES))
    body = {"image": {"owner": "alice", "name": "gis-course"}, "version": 1}
    await spawner.post("/starts", json=body)
    pages = page_client(world, "token-of-root")
    page = (await pages.get("admin/images?order=started")).text
    assert page.index("Python") < page.index("GIS course")
    assert "never" in page and "just now" in page
    mine = (await page_client(world, "token-of-alice").get("")).text
    assert "started just now" in mine
    french = (await page_client(world, "token-of-alice", "fr").get("")).text
    assert "privée" in french and "démarrée à l’instant" in french


@pytest.mark.parametrize(
    "path", ["admin/order", "admin/people", "admin/retention", "admin/retention/1"]
)
async def test_the_pages_are_the_administrators_alone(world: World, path: str) -> None:
    client = page_client(world, world.hub.add_user("alice", READ, WRITE))
    assert (await client.get(path)).status_code == 403
    assert (await client.post(path, data={})).status_code == 403
