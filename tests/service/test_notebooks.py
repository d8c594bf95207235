"""hub_service in a Kubeflow: who is believed, which desktops may be saved, and by whom."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from traitlets import TraitError

from hub_service.app import HubService
from hub_service.clients.kube import Cluster
from tests.fakes.kubernetes_reviews import FakeToken
from tests.service.conftest import PREFIX, World

SECRET = "the-gateway-alone-knows-these-characters"
ALICE, BOB, ROOT = "alice@example.com", "bob@example.com", "root@example.com"
DESK = {"user": "team", "name": "desk"}
NAMESPACES = ["team", "other"]


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """A Kubeflow with two namespaces; alice has the rights and the ownership of one, bob none."""
    neighbours.settings = {
        "auth": "kubeflow",
        "kubeflow_gateway_secret": SECRET,
        "kubeflow_notebook_namespaces": NAMESPACES,
        "kubeflow_admins": [ROOT],
        "kubeflow_user_prefix": "accounts:",
        "kubeflow_robots": ["ci:publisher"],
        "publish_registries": ["localhost:30500/pipeline"],
    }
    reviews = neighbours.cluster.reviews
    reviews.rights, reviews.owners = {(ALICE, "team")}, {"team": ALICE}
    async with neighbours.serving():
        yield neighbours


def gateway(world: World, user: str, **headers: str) -> httpx.AsyncClient:
    """Return a client that comes through the gateway, with the XSRF token of a page."""
    given = {"kubeflow-userid": f"accounts:{user}", "X-Desktops-Gateway": SECRET}
    given |= {"Cookie": "_xsrf=of-a-page", "X-XSRFToken": "of-a-page"}
    # What Kubeflow's own gateway leaves of the login; it is no token of a pod's.
    given |= {"Authorization": "Bearer of-the-login"}
    return world.client(**(given | headers))


def desktop(world: World, token: str = "a-pods-token", **headers: str) -> Any:
    """Return a client inside the desktop team/desk, and the uid of its pod."""
    uid = world.cluster.add_notebook("team", "desk")
    world.cluster.reviews.bind(token, "team", "desk-0", uid)
    return world.client(token, **headers), uid


def save(**fields: Any) -> dict[str, Any]:
    """Return the request that saves team/desk."""
    return {"server": DESK, "image": "GIS course", **fields}


async def refused(
    client: httpx.AsyncClient, path: str = "/images", **body: Any
) -> tuple[int, str]:
    """Return the status and the code of what is not done."""
    reply = await client.request("POST" if body else "GET", path, json=body or None)
    return reply.status_code, reply.json()["error"]["code"]


async def test_who_has_the_right_to_the_notebook_saves_it(world: World) -> None:
    uid = world.cluster.add_notebook("team", "desk")
    alice = gateway(world, ALICE)
    reply = await alice.post("/commits", json=save())
    assert reply.status_code == 202, reply.text
    job = await world.ended(alice, reply.json()["id"])
    assert job["state"] == "succeeded", job
    assert job["server"] == DESK
    assert "start" not in job["links"]
    [body] = world.agent.bodies
    asked = [body[key] for key in ("pod_uid", "container", "owner", "pod_owner")]
    assert asked == [uid, "desk", ALICE, "team"]
    [image] = (await alice.get("/images")).json()["items"]
    assert (image["owner"], image["active_version"]["number"]) == (ALICE, 1)
    assert "start" not in image["links"]
    [question] = world.cluster.reviews.asked
    assert question == {
        "user": ALICE,
        "group": "kubeflow.org",
        "resource": "notebooks",
        "verb": "update",
        "namespace": "team",
        "name": "desk",
    }


async def test_two_people_who_save_one_notebook_have_images_of_their_own(
    world: World,
) -> None:
    world.cluster.add_notebook("team", "desk")
    world.cluster.reviews.rights.add((BOB, "team"))
    for user in (ALICE, BOB):
        client = gateway(world, user)
        reply = await client.post("/commits", json=save())
        job = await world.ended(client, reply.json()["id"])
        assert (job["state"], job["version"]) == ("succeeded", 1)
        items = (await client.get("/images")).json()["items"]
        assert [one["owner"] for one in items] == [user]


@pytest.mark.parametrize("path", ["/commits", "/commits/preview"])
@pytest.mark.parametrize("user", [BOB, ROOT])
async def test_who_has_no_right_to_the_notebook_saves_nothing(
    world: World, path: str, user: str
) -> None:
    world.cluster.add_notebook("team", "desk")
    body = save() if path == "/commits" else {"server": DESK}
    answer = await refused(gateway(world, user), path, **body)
    assert answer == (403, "not_your_notebook")
    assert world.agent.bodies == []


async def test_a_namespace_that_is_not_listed(world: World) -> None:
    world.cluster.add_notebook("third", "desk")
    world.cluster.reviews.rights.add((ALICE, "third"))
    body = save(server={"user": "third", "name": "desk"})
    answer = await refused(gateway(world, ALICE), "/commits", **body)
    assert answer == (403, "namespace_not_served")


async def test_an_api_server_that_is_away_lets_nobody_save(world: World) -> None:
    world.cluster.add_notebook("team", "desk")
    world.cluster.reviews.down = True
    answer = await refused(gateway(world, ALICE), "/commits", **save())
    assert answer == (503, "cluster_unavailable")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "not_from_gateway"),
        ({"kubeflow-userid": f"accounts:{ALICE}"}, "not_from_gateway"),
        (
            {"kubeflow-userid": f"accounts:{ALICE}", "X-Desktops-Gateway": "wrong"},
            "not_from_gateway",
        ),
        (
            {"kubeflow-userid": f"accounts:{ALICE}", "X-Desktops-Gateway": ""},
            "not_from_gateway",
        ),
        ({"X-Desktops-Gateway": SECRET}, "nobody_named"),
        ({"X-Desktops-Gateway": SECRET, "kubeflow-userid": ""}, "nobody_named"),
        ({"Authorization": "Bearer another-token"}, "token_unknown"),
        ({"Authorization": "Bearer"}, "token_unknown"),
        # A token of JupyterHub's way of writing it is nobody's here.
        ({"Authorization": "token service-token"}, "not_from_gateway"),
    ],
)
async def test_whom_nobody_vouches_for_is_refused(
    world: World, headers: dict[str, str], code: str
) -> None:
    client = world.client(**headers)
    assert await refused(client) == (401, code)
    assert await refused(client, "/commits", **save()) == (401, code)
    page = await client.get(f"{world.url}{PREFIX}")
    assert page.status_code == 401
    assert "text/html" in page.headers["content-type"]


async def test_a_name_beside_the_gateways_is_refused(world: World) -> None:
    sent = [("kubeflow-userid", f"accounts:{one}") for one in (ROOT, ALICE)]
    sent.append(("X-Desktops-Gateway", SECRET))
    reply = await world.client().get("/images", headers=sent)
    assert reply.status_code == 401


async def test_a_change_needs_the_token_of_a_page(world: World) -> None:
    world.cluster.add_notebook("team", "desk")
    for headers in ({"Cookie": ""}, {"X-XSRFToken": "another"}):
        client = gateway(world, ALICE, **headers)
        reply = await client.post("/commits", json=save())
        assert reply.status_code == 403
        assert (await client.get("/images")).status_code == 200
    assert world.agent.bodies == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_change_from_another_sites_page_is_refused(
    world: World, site: str
) -> None:
    """A page of a sibling host can set the cookie that its form repeats."""
    client = gateway(world, ALICE, **{"Sec-Fetch-Site": site})
    world.cluster.add_notebook("team", "desk")
    assert (await client.post("/commits", json=save())).status_code == 403
    assert world.agent.bodies == []


@pytest.mark.parametrize(
    "name",
    [
        "system:serviceaccount:team:default-editor",
        "accounts:system:serviceaccount:team:default-editor",
        ALICE,
        "accounts:",
    ],
)
async def test_a_name_that_is_no_persons(world: World, name: str) -> None:
    client = gateway(world, ALICE, **{"kubeflow-userid": name})
    assert await refused(client) == (401, "nobody_named")


async def test_a_name_has_the_letters_of_any_language(world: World) -> None:
    world.cluster.add_notebook("team", "desk")
    world.cluster.reviews.rights.add(("Élodie Jürgens", "team"))
    client = gateway(world, ALICE)
    named = [(b"kubeflow-userid", "accounts:Élodie Jürgens".encode())]
    sent = [one for one in client.headers.raw if one[0].lower() != named[0][0]]
    client.headers = httpx.Headers([*sent, *named])
    job = (await client.post("/commits", json=save())).json()
    assert job["image"]["owner"] == "Élodie Jürgens"


async def test_only_the_named_administer(world: World) -> None:
    assert (await gateway(world, ROOT).get("/quotas")).status_code == 200
    assert (await gateway(world, ALICE).get("/quotas")).status_code == 403


async def test_the_desktop_saves_itself_for_the_namespaces_owner(world: World) -> None:
    # Whom its own requests name is nothing that a program in it could not write.
    client, uid = desktop(world, **{"kubeflow-userid": f"accounts:{BOB}"})
    reply = await client.post("/commits", json=save())
    assert reply.status_code == 202, reply.text
    job = await world.ended(client, reply.json()["id"])
    assert (job["state"], job["image"]["owner"]) == ("succeeded", ALICE)
    assert world.agent.bodies[-1]["pod_uid"] == uid
    preview = await client.post("/commits/preview", json={"server": DESK})
    assert preview.json()["can_stop"] is False
    assert preview.json()["images"][0]["next_version"] == 2
    guess = await client.get("/images", headers={"X-Desktops-Gateway": "guess"})
    assert guess.status_code == 401


async def test_the_desktop_saves_no_other_and_changes_nothing(world: World) -> None:
    client, _ = desktop(world)
    world.cluster.add_notebook("team", "second")
    world.cluster.add_notebook("other", "desk")
    world.cluster.reviews.rights.add((ALICE, "other"))
    for server in ({"user": "team", "name": "second"}, {**DESK, "user": "other"}):
        answer = await refused(client, "/commits", **save(server=server))
        assert answer == (403, "not_this_server")
    job = (await client.post("/commits", json=save())).json()
    await world.ended(client, job["id"])
    gone = await client.delete(f"/images/{ALICE}/gis-course")
    assert gone.status_code == 403
    assert world.agent.bodies[-1]["pod_owner"] == "team"
    assert len(world.agent.bodies) == 1


async def test_of_a_shared_image_what_a_desktop_saved_is_kept_back(
    world: World,
) -> None:
    client, _ = desktop(world)
    alice = gateway(world, ALICE)
    for sharing, active in ((None, 1), ({"users": [BOB], "groups": []}, 1)):
        if sharing:
            image = f"/images/{ALICE}/gis-course"
            reply = await alice.patch(
                image, json={"visibility": "shared", "shared_with": sharing}
            )
            assert reply.status_code == 200, reply.text
        job = (await client.post("/commits", json=save())).json()
        await world.ended(client, job["id"])
        [item] = (await alice.get("/images")).json()["items"]
        assert item["active_version"]["number"] == active
    assert item["versions"] == 2


async def test_an_owner_who_lost_the_right_does_not_save_by_the_desktop(
    world: World,
) -> None:
    client, _ = desktop(world)
    world.cluster.reviews.rights.clear()
    assert await refused(client, "/commits", **save()) == (403, "not_your_notebook")


@pytest.mark.parametrize(
    "case", ["audience", "unbound", "user", "pod", "set", "name", "namespace", "owner"]
)
async def test_a_token_that_is_no_desktops(world: World, case: str) -> None:
    reviews, namespace, labels, pod = world.cluster.reviews, "team", {}, "desk-0"
    if case == "pod":
        # Another pod of the namespace, which says that it is that desktop.
        pod = "mine"
    if case == "set":
        labels = {"statefulset": "another"}
    if case == "namespace":
        namespace = "third"
    uid = world.cluster.add_notebook(namespace, "desk", pod=pod, labels=labels)
    audience = "https://kubernetes" if case == "audience" else "desktops-hub-service"
    reviews.bind("t", namespace, pod, "gone" if case == "name" else uid, audience)
    if case == "unbound":
        reviews.tokens["t"].extra.clear()
    if case == "user":
        reviews.tokens["t"].username = "alice"
    if case == "owner":
        reviews.owners.clear()
    status, _ = await refused(world.client("t"))
    assert status == (401 if case in ("audience", "unbound", "user") else 403)


@pytest.mark.parametrize("by", ["its token", "the gateway"])
async def test_a_robot_publishes_and_does_nothing_else(world: World, by: str) -> None:
    name = "system:serviceaccount:ci:publisher"
    audience = ["desktops-hub-service"]
    world.cluster.reviews.tokens["robot"] = FakeToken(name, audience, {})
    robot = world.client(Authorization="Bearer robot")
    if by == "the gateway":
        given = {"kubeflow-userid": name, "X-Desktops-Gateway": SECRET}
        robot = world.client("of-another-audience", **given)
    world.registry.add_image("pipeline/r", "1")
    body = {"reference": "localhost:30500/pipeline/r:1"}
    reply = await robot.post("/images/hub/r/versions", json=body)
    assert (reply.status_code, reply.json().get("state")) == (200, "published")
    [image] = (await gateway(world, BOB).get("/images?show=published")).json()["items"]
    assert (image["owner"], image["name"]) == ("hub", "r")
    assert await refused(robot) == (403, "scope_missing")
    assert await refused(robot, "/commits", **save()) == (403, "scope_missing")


async def test_who_is_called_like_a_robot_is_none(world: World) -> None:
    """The prefix stands before people's names."""
    name = "accounts:system:serviceaccount:ci:publisher"
    named = gateway(world, ALICE, **{"kubeflow-userid": name})
    assert await refused(named) == (401, "nobody_named")


@pytest.mark.parametrize("name", ["ci:publisher-2", "other:publisher", "publisher"])
async def test_another_account_is_no_robot(world: World, name: str) -> None:
    account = f"system:serviceaccount:{name}"
    audience = ["desktops-hub-service"]
    world.cluster.reviews.tokens["other"] = FakeToken(account, audience, {})
    assert await refused(world.client("other")) == (401, "token_unknown")
    for header in (account, f"accounts:{account}"):
        named = gateway(world, ALICE, **{"kubeflow-userid": header})
        assert await refused(named) == (401, "nobody_named")


async def test_stopping_is_kubeflows(world: World) -> None:
    world.cluster.add_notebook("team", "desk")
    answer = await refused(gateway(world, ALICE), "/commits", **save(stop_after=True))
    assert answer == (409, "cannot_stop")
    assert world.agent.bodies == []


async def test_what_is_unused_is_not_known(world: World) -> None:
    answer = await refused(gateway(world, ROOT), "/retention-plans", days=1)
    assert answer == (409, "starts_unknown")


async def test_the_pages_offer_what_there_is(world: World) -> None:
    world.cluster.add_notebook("team", "desk")
    world.cluster.add_notebook("other", "not-hers")
    alice = gateway(world, ALICE)
    url = f"{world.url}{PREFIX}"
    page = (await alice.get(f"{url}desktops")).text
    assert "/notebook/team/desk/" in page and "not-hers" not in page
    assert "/hub/" not in page and "Stop" not in page
    link = re.search(r'href="([^"]*save[^"]*)"', page)
    assert link
    asked = (await alice.get(world.url + link[1].replace("&amp;", "&"))).text
    assert "stop_after" not in asked
    form = {"user": "team", "server": "desk", "title": "By page", "_xsrf": "of-a-page"}
    reply = await alice.post(f"{url}save", data=form)
    assert reply.status_code == 302
    await world.ended(alice, reply.headers["location"].rpartition("/")[2])
    images = (await alice.get(url)).text
    assert "By page" in images and "/start/" not in images
    image = (await alice.get(f"{url}images/{ALICE}/by-page")).text
    assert "custom image" in image and "Try it" not in image
    # Kubeflow does not say what it starts.
    assert "never" not in image and "not known" in image
    assert (await alice.get(f"{url}start/{ALICE}/by-page")).status_code == 404
    style = re.search(r'href="([^"]*style.min.css)"', images)
    assert style and (await alice.get(world.url + style[1])).status_code == 200


@pytest.mark.parametrize("prefix", ["", "hub/", "/hub"])
def test_a_hub_is_somewhere(prefix: str) -> None:
    with pytest.raises(TraitError):
        HubService(hub_prefix=prefix)


@pytest.mark.parametrize("secret", ["", "short"])
async def test_without_a_secret_it_does_not_start(secret: str) -> None:
    app = HubService(auth="kubeflow", kubeflow_gateway_secret=secret)
    cluster = Cluster(None, namespace="x", container="x", agent_port=1)  # type: ignore[arg-type]
    async with httpx.AsyncClient() as http:
        with pytest.raises(TraitError):
            app.place(http, cluster)
