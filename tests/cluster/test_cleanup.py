"""Freeing the image store's disk for real: what is named stays whole, a push is never cut."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.axe import barriers, needs_axe
from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import API, start
from tests.cluster.session import Desktop

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

Shoot = Callable[[Page, str], None]
MORE = "mkdir -p ~/big && head -c {bytes} /dev/urandom > ~/big/$RANDOM"
PUSH = "/v2/somebody/elses/blobs/uploads/"


class Admin:
    """An administrator at the page about the disk."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def ask(self) -> None:
        """Press the button."""
        self.page.goto("/services/desktops/admin/storage")
        with self.page.expect_navigation():
            self.page.click("text=Clean up now")

    def latest(self) -> dict[str, Any]:
        """Return the newest clean-up."""
        reply = self.page.request.get(f"{API}/cleanups")
        found: dict[str, Any] = reply.json()["items"][0] if reply.ok else {}
        return found

    def ended(self) -> dict[str, Any]:
        """Wait for its end."""

        def over() -> dict[str, Any]:
            latest = self.latest()
            return latest if latest.get("ended") else {}

        found: dict[str, Any] = wait_for("the end of the clean-up", over, 240)
        return found


@pytest.fixture(scope="module")
def admin(visit: Visit) -> Admin:
    return Admin(visit("admin"))


@pytest.fixture(scope="module")
def desktop(cluster: Demo, visit: Visit) -> Iterator[Desktop]:
    user = f"tidy-{uuid.uuid4().hex[:6]}"
    page = visit(user)
    start(page, user, "Remote Desktop", "customise")
    page.goto("/services/desktops/")
    desktop = Desktop(cluster, page, user)
    yield desktop
    cluster.kubectl("delete", "pod", desktop.pod, "--wait=false", check=False)


def saved(desktop: Desktop, title: str) -> str:
    """Save the desktop; return the image's name."""
    job = desktop.end_of(desktop.save(title).json()["id"])
    assert job["state"] == "succeeded", job
    return str(job["image"]["name"])


def whole(desktop: Desktop, image: str) -> bool:
    """Say whether the registry has a manifest and each blob that it names."""
    repository = f"desktops/{desktop.user}/{image}"
    with desktop.cluster.registry() as registry:
        tags = registry.get(f"/v2/{repository}/tags/list").json()["tags"]
        manifest = registry.get(f"/v2/{repository}/manifests/{tags[-1]}").json()
        blobs = [manifest["config"], *manifest["layers"]]
        paths = [f"/v2/{repository}/blobs/{one['digest']}" for one in blobs]
        return all(registry.head(path).is_success for path in paths)


def pushing(cluster: Demo) -> int:
    """Begin a push as somebody from elsewhere; return the registry's answer."""
    # A connection of its own each time: one that is kept may lead to a pod that is gone.
    with cluster.registry() as registry:
        try:
            return registry.post(PUSH).status_code
        except httpx.HTTPError:
            return 0


def test_the_space_of_a_deleted_image_is_freed_and_a_push_is_waited_for(
    desktop: Desktop, admin: Admin, shoot: Shoot
) -> None:
    desktop.cluster.run(desktop.pod, MORE.format(bytes=30_000_000))
    kept = saved(desktop, "Kept")
    desktop.cluster.run(desktop.pod, MORE.format(bytes=60_000_000))
    gone = saved(desktop, "Gone")
    desktop.delete(gone)
    desktop.cluster.run(desktop.pod, MORE.format(bytes=300_000_000))
    # Long to read, so that the registry can be held before anything is pushed.
    desktop.cluster.run(desktop.pod, "truncate -s 6G ~/big/zeros")
    pushed = desktop.save("Pushed meanwhile").json()
    desktop.in_step(pushed["id"], "read")
    with desktop.cluster.registry_held():
        desktop.in_step(pushed["id"], "push")
        admin.ask()
        asked = admin.latest()
    desktop.cluster.run(desktop.pod, "rm ~/big/zeros")
    job = desktop.end_of(pushed["id"])
    assert job["state"] == "succeeded", job
    cleaned = admin.ended()
    assert (cleaned["id"], cleaned["state"]) == (asked["id"], "succeeded"), cleaned
    assert cleaned["started"] >= job["ended"]
    assert cleaned["bytes_before"] - cleaned["bytes_after"] > 60_000_000
    assert whole(desktop, kept) and whole(desktop, job["image"]["name"])
    # The page learns of it by itself.
    expect(admin.page.locator("main")).to_contain_text("Done.")
    shoot(admin.page, "storage")
    desktop.works()


def test_what_comes_during_a_clean_up(desktop: Desktop, admin: Admin) -> None:
    admin.ask()
    wait_for("the registry is closed", lambda: pushing(desktop.cluster) == 405)
    waiting = desktop.save("Waited").json()
    job = desktop.end_of(waiting["id"])
    assert job["state"] == "succeeded", job
    assert job["ended"] > admin.ended()["started"]
    assert whole(desktop, job["image"]["name"])
    assert pushing(desktop.cluster) == 202


@needs_axe
def test_no_barrier_on_the_page(admin: Admin) -> None:
    admin.page.goto("/services/desktops/admin/storage")
    assert barriers(admin.page) == []
