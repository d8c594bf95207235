"""Administration on the real cluster: a quota stops a save, unused versions go after a dry run,
an edit shows on another person's spawn page, and a start is written down."""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from oci.names import repository
from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import API, start, stop
from tests.cluster.session import Desktop

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

PREFIX = "/services/desktops/"
IMAGE = "Atlas"
AGE = """
import sqlite3
database = sqlite3.connect("/data/desktops.sqlite", timeout=30)
database.execute(
    "UPDATE versions SET created = '2020-01-01 00:00:00', last_started = NULL WHERE image_id IN "
    "(SELECT id FROM images WHERE owner = ?)", ({owner!r},))
database.commit()
"""
"""Nobody waits for days in a test."""


@dataclass
class Owner:
    """Somebody with an image of two versions."""

    name: str
    page: Page


@pytest.fixture(scope="module")
def admin(visit: Visit) -> Page:
    return visit("admin")


@pytest.fixture(scope="module")
def owner(cluster: Demo, visit: Visit) -> Iterator[Owner]:
    name = f"ana-{uuid.uuid4().hex[:6]}"
    page = visit(name)
    start(page, name, "Remote Desktop", "customise")
    page.goto(PREFIX)
    desktop = Desktop(cluster, page, name)
    for number in (1, 2):
        cluster.run(desktop.pod, f"head -c 3000000 /dev/urandom > ~/{number}")
        job = desktop.end_of(desktop.save(IMAGE).json()["id"])
        assert job["state"] == "succeeded", job
    yield Owner(name, page)
    cluster.kubectl("delete", "pod", cluster.pod_of(name), "--wait=false", check=False)


def set_quota(admin: Page, user: str, versions: str) -> None:
    admin.goto(f"{PREFIX}admin/people")
    admin.select_option("#kind", "user")
    admin.fill("#name", user)
    admin.fill("#versions", versions)
    admin.click("button[value=set]")
    row = admin.locator("tr", has_text=f"user {user}")
    expect(row.first).to_contain_text(versions)


def test_a_quota_stops_a_save_before_it_begins(
    owner: Owner, admin: Page, shoot: Callable[[Page, str], None]
) -> None:
    set_quota(admin, owner.name, "2")
    shoot(admin, "admin-people")
    page = owner.page
    page.goto(f"{PREFIX}save?server=")
    page.fill("#title", IMAGE)
    page.click("#save-form button")
    expect(page.locator("[role=alert]")).to_contain_text(
        "as many versions as you may keep: 2"
    )
    page.goto(PREFIX)
    expect(page.locator(".desktop-quota")).to_contain_text("2 of 2 versions")
    set_quota(admin, owner.name, "9")
    quota = page.request.get(f"{API}/quota").json()
    assert quota["versions"] == {"used": 2, "limit": 9}


def publish(admin: Page, place: str) -> None:
    """Let everybody start an image, which is seen to come up first."""
    admin.goto(f"{PREFIX}{place}")
    admin.check("#visibility-published")
    admin.click("button[value=share]")

    def published() -> bool:
        image = admin.request.get(f"{API}/{place}").json()
        return bool(image["visibility"] == "published")

    wait_for("it is published", published, 180)


def edit(admin: Page, place: str, title: str) -> None:
    """Change how an image looks and what its desktops may use."""
    admin.goto(f"{PREFIX}{place}")
    admin.fill("#title", title)
    admin.fill("#tags", "gis")
    admin.locator("input[value=map]").check(force=True)
    admin.click("button[value=describe]")
    admin.fill("#cpu", "0.5")
    admin.fill("#memory", "1.5")
    admin.click("button[value=limit]")
    expect(admin.locator("#cpu")).to_have_value("0.5")


def test_an_edit_shows_on_another_persons_spawn_page(
    owner: Owner,
    admin: Page,
    visit: Visit,
    cluster: Demo,
    shoot: Callable[[Page, str], None],
) -> None:
    place = f"images/{owner.name}/atlas"
    publish(admin, place)
    title = f"Maps of {owner.name}"
    edit(admin, place, title)
    shoot(admin, "admin-image")

    name = f"student-{uuid.uuid4().hex[:6]}"
    student = visit(name)
    student.goto(f"/hub/spawn/{name}")
    card = student.locator(".desktops-card", has_text=title)
    expect(card).to_contain_text(re.compile("gis.*0.5 CPU · 1.5 GB of memory", re.S))
    card.click()
    expect(student.locator("#desktops-sizes")).to_be_hidden()
    shoot(student, "spawn-limits")
    start(student, name, title, "use")
    pod = cluster.get("pod", cluster.pod_of(name))
    limits = [
        one["resources"]["limits"]["cpu"]
        for one in pod["spec"]["containers"]
        if one["name"] == "notebook"
    ]
    assert limits == ["500m"]

    def started() -> bool:
        image = admin.request.get(f"{API}/{place}").json()
        return bool(image["last_started"])

    wait_for("the start is written down", started, 30)
    stop(student, name, cluster)


def test_unused_versions_go_after_a_dry_run(
    owner: Owner, admin: Page, cluster: Demo, shoot: Callable[[Page, str], None]
) -> None:
    """The active and published version 2 stays; of others' images nothing is old enough."""
    script = AGE.format(owner=owner.name)
    cluster.kubectl("exec", "deployment/hub-service", "--", "python", "-c", script)
    where = repository("desktops", owner.name, "atlas")
    versions = f"{API}/images/{owner.name}/atlas/versions"
    items = owner.page.request.get(versions).json()["items"]
    digests = {one["number"]: one["digest"] for one in items}
    admin.goto(f"{PREFIX}admin/retention")
    admin.fill("#days", "1000")
    admin.click("text=Show what would go")
    rows = admin.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("version 1")
    shoot(admin, "admin-retention")
    with cluster.registry() as registry:
        assert registry.get(f"/v2/{where}/manifests/{digests[1]}").is_success
        admin.once("dialog", lambda dialog: dialog.accept())
        admin.get_by_role("button", name="Delete exactly these").click()
        expect(admin.locator("main")).to_contain_text("Versions deleted: 1.")
        gone = registry.get(f"/v2/{where}/manifests/{digests[1]}")
        assert gone.status_code == 404
        assert registry.get(f"/v2/{where}/manifests/{digests[2]}").is_success
    admin.goto(f"{PREFIX}admin/audit?action=retention.run")
    expect(admin.locator("tbody tr").first).to_contain_text("1 version deleted")
