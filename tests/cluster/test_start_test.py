"""Trying versions for real: one that works, one that is broken, staging, a save, a publication."""

import io
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.axe import barriers, needs_axe
from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import API, painted, post, start, stop
from tests.cluster.test_builds import PREFIX, Builder

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

Shoot = Callable[[Page, str], None]
WORKS = "FROM remote-desktop\nRUN touch /opt/python/it\n"
BROKEN = "FROM remote-desktop\nUSER root\nRUN rm /usr/bin/Xvnc\nUSER 1000\n"


@pytest.fixture(scope="module")
def builder(visit: Visit, cluster: Demo) -> Iterator[Builder]:
    """Somebody who leaves nothing behind."""
    name = f"sam-{uuid.uuid4().hex[:6]}"
    builder = Builder(visit(name), name)
    yield builder
    remove_servers(builder)
    for image in found(builder, "images")["items"]:
        if image["owner"] == name:
            act(builder, "delete", f"images/{name}/{image['name']}")
    for claim in (f"build-{name}", f"home-{name}"):
        cluster.kubectl("delete", "pvc", claim, "--ignore-not-found", "--wait=false")


def found(builder: Builder, path: str) -> dict[str, Any]:
    """Return what the API says."""
    answer: dict[str, Any] = builder.page.request.get(f"{API}/{path}").json()
    return answer


def act(builder: Builder, verb: str, path: str, **fields: Any) -> int:
    """Change something by the API; return the status."""
    cookies = builder.page.context.cookies()
    [token] = [
        one["value"]
        for one in cookies
        if one["name"] == "_xsrf" and one["path"] == PREFIX
    ]
    send = getattr(builder.page.request, verb)
    reply = send(f"{API}/{path}", headers={"X-XSRFToken": token}, **fields)
    return int(reply.status)


def remove_servers(builder: Builder) -> None:
    """Stop and forget the person's named servers, by the hub's own page."""
    page = builder.page
    page.goto("/hub/home")
    for button in page.locator(".stop-server:visible").all():
        button.click()
    wait_for(
        "the servers are stopped",
        lambda: page.locator(".stop-server:visible").count() == 0,
    )


def left(cluster: Demo) -> str:
    """Return what of start-tests is in the cluster."""
    label = "app.kubernetes.io/component=start-test"
    return cluster.kubectl("get", "jobs,pods", "-l", label, "-o", "name").strip()


def loaded(page: Page, selector: str) -> None:
    """Wait until a picture is there and not broken."""
    picture = page.locator(selector).first
    picture.scroll_into_view_if_needed()
    wait_for("the picture", lambda: picture.evaluate("(one) => one.naturalWidth > 99"))


def test_what_is_staged_is_tried_and_starts_for_nobody_else(
    builder: Builder, cluster: Demo, visit: Visit
) -> None:
    page, name = builder.page, builder.name
    id = builder.build("Staged", WORKS, activate=False)
    wait_for("it is being tried", lambda: builder.job(id).get("step") == "test", 120)
    job = builder.ended(id)
    assert job["state"] == "succeeded", (job["error"], builder.log(id))
    [version] = found(builder, f"images/{name}/staged/versions")["items"]
    print("start-test:", version["start_test"], job["steps"][-1])
    assert version["start_test"]["passed"] is True
    sent = page.request.get(f"{API}/images/{name}/staged/versions/1/picture")
    picture = Image.open(io.BytesIO(sent.body()))
    print("picture:", picture.size, len(sent.body()), "bytes")
    assert picture.format == "WEBP" and picture.width == 480
    assert len(picture.convert("RGB").getcolors(480 * 300) or ()) > 100
    assert found(builder, f"images/{name}/staged")["active_version"] is None
    wait_for("nothing is left", lambda: not left(cluster))

    eve = f"eve-{uuid.uuid4().hex[:6]}"
    stranger = visit(eve)
    stranger.goto(f"/hub/spawn/{eve}/x?opt-profile={name}/staged@1")
    expect(stranger.locator(".spawn-error-msg")).to_be_visible()
    assert eve not in cluster.kubectl("get", "pods", "-o", "name")


def test_its_owner_tries_it_and_makes_it_active(
    builder: Builder, cluster: Demo, shoot: Shoot
) -> None:
    page, name = builder.page, builder.name
    [id] = [one["id"] for one in found(builder, "jobs")["items"]]
    page.goto(f"{PREFIX}jobs/{id}")
    shoot(page, "staged-job")
    page.click("text=Try it")
    painted(page)
    cluster.run(cluster.pod_of(name, "staged-v1"), "test -e /opt/python/it")
    page.goto(f"{PREFIX}images/{name}/staged")
    loaded(page, ".desktop-shot")
    shoot(page, "staged-image")
    page.click("text=Make it active")
    expect(page.locator(".badge", has_text="active")).to_be_visible()
    page.goto(PREFIX)
    loaded(page, ".desktop-picture img")
    shoot(page, "images-with-picture")
    page.goto(f"/hub/spawn/{name}/other")
    loaded(page, ".desktops-picture img")
    shoot(page, "spawn-with-picture")


def test_what_was_built_is_published_fetched_and_started_by_another(
    builder: Builder, cluster: Demo, visit: Visit, shoot: Shoot
) -> None:
    page, name = builder.page, builder.name
    reference = found(builder, f"images/{name}/staged")["active_version"]["reference"]
    # As on a node that never had it: the start-test and its owner brought it here.
    cluster.forget_image(reference)
    assert reference not in cluster.node_images()
    page.goto(f"{PREFIX}images/{name}/staged")
    page.fill("#note", "for the course")
    page.click("button[value=ask]")
    admin = visit("admin")
    admin.goto(f"{PREFIX}admin")
    request = admin.locator("li", has_text=name).filter(has_text="Staged")
    request.locator("text=Look at it").click()
    admin.click("button[value=approved]")
    wait_for("it is fetched", lambda: reference in cluster.node_images(), 120)
    admin.goto(f"{PREFIX}admin/storage")
    shoot(admin, "admin-fetched")
    student = f"student-{uuid.uuid4().hex[:6]}"
    theirs = visit(student)
    start(theirs, student, name, "use")
    cluster.run(cluster.pod_of(student), "test -e /opt/python/it")
    stop(theirs, student, cluster)
    cluster.kubectl("delete", "pvc", f"home-{student}", "--wait=false", check=False)
    path = f"images/{name}/staged"
    changes = {"visibility": "private"}
    assert act(Builder(admin, "admin"), "patch", path, data=changes) == 200


def test_a_desktop_that_is_broken_fails_with_its_log(
    builder: Builder, cluster: Demo, shoot: Shoot
) -> None:
    id = builder.build("Broken", BROKEN)
    job = builder.ended(id, 240)
    assert (job["state"], job["error"]["code"]) == ("failed", "start_test_failed")
    assert "its display did not start" in job["message"]
    log = builder.log(id)
    assert "the desktop page answers" in log
    own = log.partition("the desktop's own log")[2]
    assert "The display did not start" in own and "Xvnc: command not found" in own
    image = found(builder, f"images/{builder.name}/broken")
    assert (image["active_version"], image["versions"]) == (None, 1)
    page = builder.page
    page.goto(f"{PREFIX}jobs/{id}")
    expect(page.locator("#job-anyway")).to_be_visible()
    shoot(page, "start-test-failed")
    page.goto(f"{PREFIX}images/{builder.name}/broken")
    page.click("text=did not come up: see the log")
    page.wait_for_url(f"**/jobs/{id}")
    wait_for("nothing is left", lambda: not left(cluster))


def test_neither_a_restart_nor_a_cancellation_leaves_anything(
    builder: Builder, cluster: Demo
) -> None:
    id = builder.build("Patient", f"{WORKS}RUN true\n")
    wait_for("it is being tried", lambda: left(cluster), 120)
    cluster.restart("deployment", "hub-service")
    job = builder.ended(id)
    assert job["state"] == "succeeded", job
    id = builder.build("Patient", f"{WORKS}RUN echo again\n")
    wait_for("it is being tried", lambda: left(cluster), 120)
    builder.cancel(id)
    assert builder.ended(id)["state"] == "cancelled"
    assert found(builder, f"images/{builder.name}/patient")["versions"] == 1
    wait_for("nothing is left", lambda: not left(cluster))


def save(builder: Builder, image: str, *, start_test: bool) -> dict[str, Any]:
    """Save the desktop that the first test has started; return the job's end."""
    server = {"user": builder.name, "name": "staged-v1"}
    body = {"server": server, "image": image, "start_test": start_test}
    builder.page.goto(PREFIX)
    reply = post(builder.page, "/commits", body)
    assert reply.status == 202, reply.text()
    job = builder.ended(reply.json()["id"])
    assert job["state"] == "succeeded", (job["error"], builder.log(job["id"]))
    return job


def test_a_save_is_tried_when_asked(builder: Builder) -> None:
    job = save(builder, "Saved and tried", start_test=True)
    print("save with start-test:", job["steps"])
    assert job["steps"][-1]["name"] == "test"
    image = found(builder, f"images/{builder.name}/saved-and-tried")
    assert image["active_version"]["start_test"]["passed"] is True


def test_what_was_never_tried_is_tried_before_it_is_published(
    builder: Builder, visit: Visit, shoot: Shoot
) -> None:
    page, name = builder.page, builder.name
    save(builder, "Never tried", start_test=False)
    page.goto(f"{PREFIX}images/{name}/never-tried")
    page.fill("#note", "for all")
    page.click("button[value=ask]")
    admin = visit("admin")
    admin.goto(f"{PREFIX}admin")
    request = admin.locator("li", has_text=name).filter(has_text="Never tried")
    request.locator("text=Look at it").click()
    shoot(admin, "review-being-tried")
    admin.click("button[value=approved]")
    expect(admin.locator(".alert-info")).to_contain_text("published by itself")

    def published() -> bool:
        image = found(builder, f"images/{name}/never-tried")
        return bool(image["visibility"] == "published")

    wait_for("it is published", published, 120)
    admin.reload()
    expect(admin.locator("#start-test")).to_contain_text("came up in")
    loaded(admin, ".desktop-shot")
    shoot(admin, "review-with-picture")
    stranger = visit(f"student-{uuid.uuid4().hex[:6]}")
    stranger.goto("/hub/spawn")
    loaded(stranger, f".desktops-card:has-text('{name}') img")
    expect(admin.locator("main")).not_to_contain_text("Publish for everybody")
    admin_builder = Builder(admin, "admin")
    changes = {"visibility": "private"}
    path = f"images/{name}/never-tried"
    assert act(admin_builder, "patch", path, data=changes) == 200


@needs_axe
def test_nothing_is_a_barrier(builder: Builder, visit: Visit) -> None:
    """Light and English, dark and French."""
    name = builder.name
    jobs = [one["id"] for one in found(builder, "jobs")["items"]]
    images = ("staged", "broken", "never-tried")
    paths = ["", "build", *(f"images/{name}/{one}" for one in images)]
    paths += [f"jobs/{id}" for id in jobs[:6]]
    barred = []
    for page in (builder.page, visit(name, locale="fr-FR", color_scheme="dark")):
        for path in paths:
            page.goto(PREFIX + path)
            barred += [f"{path}: {one}" for one in barriers(page)]
        page.goto(f"/hub/spawn/{name}/other")
        barred += [f"spawn: {one}" for one in barriers(page, without="nav")]
    admin = visit("admin")
    requests = admin.request.get(f"{API}/publication-requests").json()["items"]
    admin.goto(f"{PREFIX}admin/requests/{requests[0]['id']}")
    barred += [f"review: {one}" for one in barriers(admin)]
    assert not barred, "\n".join(barred)
