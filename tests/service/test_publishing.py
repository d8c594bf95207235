"""What everybody may start: asked for, decided, never changed behind an administrator's back."""

import httpx
import pytest

from tests.fakes.hub import ADMIN, READ, WRITE
from tests.service.conftest import World
from tests.service.test_pages import page_client

IMAGE = "/images/alice/gis-course"
ASK = f"{IMAGE}/publication-requests"
PROFILES = "custom:desktops:profiles"


async def profiles_of(world: World, user: str) -> dict[str, int]:
    """What a user's spawn page shows: image and version."""
    client = world.client(world.hub.add_user("the-spawner", PROFILES))
    items = (await client.get("/profiles", params={"user": user})).json()["items"]
    return {one["name"]: one["version"] for one in items}


@pytest.fixture
async def alice(world: World) -> httpx.AsyncClient:
    """The owner of an image with one version."""
    client = world.alice()
    await world.saved(client)
    return client


@pytest.fixture
def admin(world: World) -> httpx.AsyncClient:
    return world.client(world.hub.add_user("root", ADMIN))


async def test_a_request_is_approved(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    world.hub.add_user("bob", READ)
    assert await profiles_of(world, "bob") == {}
    asked = await alice.post(ASK, json={"note": "for the course"})
    assert (asked.status_code, asked.json()["state"]) == (201, "open")
    [seen] = (await admin.get("/publication-requests?state=open")).json()["items"]
    assert (seen["note"], seen["version"]["number"]) == ("for the course", 1)
    path = f"/publication-requests/{seen['id']}"
    decided = await admin.patch(path, json={"state": "approved"})
    assert decided.json()["decided_by"] == "root"
    assert await profiles_of(world, "bob") == {"gis-course": 1}
    again = await admin.patch(path, json={"state": "refused", "reason": "no"})
    assert (again.status_code, again.json()["error"]["code"]) == (
        409,
        "request_decided",
    )


async def test_a_refusal_needs_a_reason_that_the_owner_reads(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    id = (await alice.post(ASK, json={})).json()["id"]
    path = f"/publication-requests/{id}"
    bare = await admin.patch(path, json={"state": "refused", "reason": " "})
    assert (bare.status_code, bare.json()["error"]["code"]) == (422, "reason_missing")
    await admin.patch(path, json={"state": "refused", "reason": "too large"})
    [mine] = (await alice.get("/publication-requests")).json()["items"]
    assert (mine["state"], mine["reason"]) == ("refused", "too large")
    page = await page_client(world, "token-of-alice").get("images/alice/gis-course")
    assert "Refused by root: too large" in page.text
    # After an answer it may be asked again.
    assert (await alice.post(ASK, json={})).status_code == 201


async def test_only_one_request_waits(alice: httpx.AsyncClient) -> None:
    await alice.post(ASK, json={})
    second = await alice.post(ASK, json={})
    assert (second.status_code, second.json()["error"]["code"]) == (409, "request_open")


async def test_strangers_neither_ask_nor_see(
    world: World, alice: httpx.AsyncClient
) -> None:
    await alice.post(ASK, json={})
    bob = world.client(world.hub.add_user("bob", READ, WRITE))
    assert (await bob.post(ASK, json={})).status_code == 404
    assert (await bob.get("/publication-requests")).json()["items"] == []
    assert (await alice.post(ASK, json={"version": 7})).status_code == 404


async def test_a_new_version_is_the_owners_alone_until_it_is_approved(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await admin.patch(IMAGE, json={"visibility": "published"})
    await world.saved(alice)
    assert await profiles_of(world, "bob") == {"gis-course": 1}
    assert await profiles_of(world, "alice") == {"gis-course": 2}
    bob = world.client(world.hub.add_user("bob", READ))
    seen = (await bob.get(IMAGE)).json()
    assert (seen["active_version"]["number"], seen["versions"]) == (1, 1)
    assert (await bob.get(f"{IMAGE}/versions/2")).status_code == 404
    assert (await alice.post(ASK, json={"version": 1})).status_code == 409
    await admin.patch(IMAGE, json={"published_version": 2})
    assert await profiles_of(world, "bob") == {"gis-course": 2}
    assert (await admin.patch(IMAGE, json={"published_version": 9})).status_code == 404


async def test_what_everybody_starts_is_not_deleted(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await admin.patch(IMAGE, json={"visibility": "published"})
    await world.saved(alice)
    for path, code in [
        (f"{IMAGE}/versions/1", "version_published"),
        (IMAGE, "image_published"),
    ]:
        reply = await alice.delete(path)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, code)
    await admin.patch(IMAGE, json={"visibility": "private"})
    assert await profiles_of(world, "bob") == {}
    assert (await alice.delete(IMAGE)).status_code == 200


async def test_a_request_for_a_deleted_version_is_not_approved(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await world.saved(alice)
    id = (await alice.post(ASK, json={"version": 1})).json()["id"]
    await alice.delete(f"{IMAGE}/versions/1")
    reply = await admin.patch(f"/publication-requests/{id}", json={"state": "approved"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "version_gone")


async def test_every_act_is_in_the_audit(
    alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    id = (await alice.post(ASK, json={})).json()["id"]
    await admin.patch(f"/publication-requests/{id}", json={"state": "approved"})
    await admin.patch(IMAGE, json={"visibility": "private"})
    acts = (await admin.get("/audit")).json()["items"]
    assert [(one["actor"], one["action"]) for one in acts] == [
        ("root", "image.change"),
        ("root", "publication.approved"),
        ("alice", "publication.ask"),
        ("alice", "version.add"),
    ]
    assert (await admin.get("/audit?q=nobody")).json()["items"] == []
    assert len((await admin.get("/audit?q=gis-course")).json()["items"]) == 4


async def test_the_administrators_pages(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    id = (await alice.post(ASK, json={"note": "<b>please</b>"})).json()["id"]
    pages = page_client(world, "token-of-root")
    shown = {
        "admin": "&lt;b&gt;please&lt;/b&gt;",
        f"admin/requests/{id}": "Publish for everybody",
        "admin/images?order=size": "GIS course",
        "admin/jobs": "Saved as GIS course, version 1.",
        "admin/audit": "publication.ask",
    }
    for path, words in shown.items():
        reply = await pages.get(path)
        assert reply.status_code == 200, reply.text
        assert words in reply.text
        refused = await page_client(world, "token-of-alice").get(path)
        assert refused.status_code == 403
    form = {"owner": "alice", "name": "gis-course", "act": "publish", "number": "1"}
    done = await pages.post("admin/images", data=form)
    assert done.status_code == 302, done.text
    assert await profiles_of(world, "bob") == {"gis-course": 1}
    odd = await pages.post("admin/images", data={**form, "number": "one"})
    assert (odd.status_code, "one is no number." in odd.text) == (422, True)
    await pages.post("admin/images", data={**form, "act": "unpublish"})
    assert await profiles_of(world, "bob") == {}
    french = await page_client(world, "token-of-root", "fr").get("admin")
    assert "Demandes" in french.text


async def test_what_is_unpublished_stays_with_those_it_is_shared_with(
    world: World, alice: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    share = {"visibility": "shared", "shared_with": {"users": ["bob"], "groups": []}}
    await alice.patch(IMAGE, json=share)
    pages = page_client(world, "token-of-root")
    form = {"owner": "alice", "name": "gis-course", "number": "1"}

    async def visibility_after(act: str) -> str:
        reply = await pages.post("admin/images", data={**form, "act": act})
        assert reply.status_code == 302, reply.text
        return str((await alice.get(IMAGE)).json()["visibility"])

    assert await visibility_after("publish") == "published"
    assert "Those it is shared with keep it." in (await pages.get("admin/images")).text
    assert await visibility_after("unpublish") == "shared"
    assert await profiles_of(world, "bob") == {"gis-course": 1}
    await admin.patch(IMAGE, json={"visibility": "published"})
    reply = await admin.patch(IMAGE, json={"visibility": "private"})
    assert reply.json()["visibility"] == "shared"
    await admin.patch(IMAGE, json={"visibility": "published"})
    nobody = {"visibility": "private", "shared_with": {"users": [], "groups": []}}
    assert (await admin.patch(IMAGE, json=nobody)).json()["visibility"] == "private"
    assert await visibility_after("publish") == "published"
    assert "Only alice can start it then." in (await pages.get("admin/images")).text
    assert await visibility_after("unpublish") == "private"
    assert await profiles_of(world, "bob") == {}
