"""hub_service's pages in a real browser: saving without the desktop's own button, live progress, a
failure, French; no page has an error in its console."""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.axe import barriers, needs_axe
from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import start

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

PREFIX = "/services/desktops/"
FILL = "head -c 150000000 /dev/urandom > ~/data.bin"
IMAGE = "Été à l'île"
Shoot = Callable[[Page, str], None]


@dataclass
class Person:
    """Somebody with a running desktop, and what their pages complained about."""

    name: str
    page: Page
    french: Page
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Collect what goes wrong on the pages, until the end."""

        def note(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.complaints.append(message.text)

        for page in (self.page, self.french):
            page.on("pageerror", lambda error: self.complaints.append(str(error)))
            page.on("console", note)


@pytest.fixture(scope="module")
def person(cluster: Demo, visit: Visit) -> Iterator[Person]:
    name = f"marie-{uuid.uuid4().hex[:6]}"
    page = visit(name)
    french = visit(name, locale="fr-FR", color_scheme="dark")
    expect(page.locator(".desktop-empty")).to_contain_text("You have no image yet.")
    start(page, name, "Remote Desktop", "customise")
    cluster.run(cluster.pod_of(name), FILL)
    person = Person(name, page, french)
    person.listen()
    yield person
    pod = cluster.pod_of(name)
    cluster.kubectl("delete", "pod", pod, "--wait=false", check=False)


def test_a_save_from_the_page_with_live_progress(person: Person, shoot: Shoot) -> None:
    page = person.page
    page.goto(PREFIX)
    page.click("text=Save one that is running")
    shoot(page, "running-desktops")
    page.click("text=Save as desktop image")
    expect(page.locator("#what")).to_have_text("What will be saved")
    page.fill("#title", IMAGE)
    page.fill("#description", "adds data")
    shoot(page, "save-form")
    page.click("#save-form button")
    page.wait_for_url(re.compile("/jobs/"))
    widths = set()

    def ended() -> bool:
        widths.add(page.locator("#job-bar").get_attribute("aria-valuenow"))
        shoot(page, f"job-{min(len(widths), 2)}")
        return page.locator("#job-succeeded").is_visible()

    wait_for("the end of the save", ended, 120)
    # It was seen to move, without a reload.
    assert len(widths) > 1
    expect(page.locator("#job-message")).to_have_text(f"Saved as {IMAGE}, version 1.")
    expect(page.locator("#job-running")).to_be_hidden()
    shoot(page, "job-end")
    link = page.locator("#job-succeeded a").first.get_attribute("href") or ""
    assert link == f"{PREFIX}start/{person.name}/ete-a-l-ile"
    assert person.complaints == []


def test_the_pages_in_french(person: Person, shoot: Shoot) -> None:
    page = person.french
    page.goto(PREFIX)
    expect(page.locator("h1")).to_have_text("Mes images")
    shoot(page, "fr-images")
    page.click(f"text={IMAGE}")
    expect(page.locator(".desktop-versions")).to_contain_text("adds data")
    shoot(page, "fr-image")
    page.goto("/hub/spawn/" + person.name + "/other")
    expect(page.locator("#spawn_form button[type=submit]")).to_have_text("Démarrer")
    shoot(page, "fr-spawn")
    assert person.complaints == []


def test_a_share_is_kept(person: Person) -> None:
    page = person.page
    page.goto(PREFIX)
    page.click(f"text={IMAGE}")
    page.check("#visibility-shared")
    page.fill("#users", "zoe, bob")
    page.click("button[value=share]")
    expect(page.locator("#users")).to_have_value("bob, zoe")
    expect(page.locator("#visibility-shared")).to_be_checked()


def test_a_failure_is_told_on_the_page(
    person: Person, cluster: Demo, shoot: Shoot
) -> None:
    page = person.french
    page.goto(f"{PREFIX}save?server=")
    page.fill("#title", "Sans magasin")
    with cluster.without_registry():
        page.click("#save-form button")
        expect(page.locator("[role=alert]")).to_contain_text("Votre bureau est intact")
        # What was typed is there still, for the next try.
        expect(page.locator("#title")).to_have_value("Sans magasin")
        shoot(page, "fr-registry-away")


def test_an_image_is_published_by_an_administrator(
    person: Person, visit: Visit, shoot: Shoot
) -> None:
    page = person.page
    page.goto(PREFIX)
    page.click(f"text={IMAGE}")
    page.fill("#note", "for the geography course")
    page.click("button[value=ask]")
    expect(page.locator("#publish ~ p")).to_contain_text("has not answered yet")

    admin = visit("admin")
    admin.goto("/hub/home")
    admin.get_by_role("link", name="Administration").click()
    row = admin.locator("li", has_text=person.name)
    row.locator("text=Look at it").click()
    expect(admin.locator("blockquote")).to_have_text("for the geography course")

    def tried() -> bool:
        admin.reload()
        return "came up" in admin.locator("#start-test").inner_text()

    wait_for("its desktop was seen", tried, 120)
    shoot(admin, "admin-request")
    admin.click("button[value=approved]")
    expect(admin.locator("h2", has_text="Answered")).to_be_visible()
    for tab in ("Images", "Jobs", "Audit"):
        admin.click(f".nav-tabs >> text={tab}")
        shoot(admin, f"admin-{tab.lower()}")

    stranger = visit(f"student-{uuid.uuid4().hex[:6]}")
    stranger.goto("/hub/spawn")
    card = stranger.locator(".desktops-card", has_text=person.name)
    expect(card).to_contain_text(IMAGE)
    expect(stranger.get_by_role("link", name="Administration")).to_have_count(0)
    shoot(stranger, "spawn-published")
    admin.goto(f"{PREFIX}admin/images?q={person.name}")
    admin.once("dialog", lambda dialog: dialog.accept())
    admin.click("button[value=unpublish]")
    stranger.goto("/hub/spawn")
    expect(card).to_have_count(0)


@needs_axe
def test_nothing_is_a_barrier(person: Person, visit: Visit) -> None:
    """Light and English, dark and French, and an administrator's pages."""
    jobs = person.page.request.get(f"{PREFIX}api/v1/jobs").json()["items"]
    image = f"images/{jobs[0]['image']['owner']}/{jobs[0]['image']['name']}"
    theirs = ["", "desktops", image, "save?server=", f"jobs/{jobs[0]['id']}", "nothing"]
    found = []
    for page in (person.page, person.french):
        for path in theirs:
            page.goto(PREFIX + path)
            found += [f"{path}: {one}" for one in barriers(page)]
        page.goto(f"/hub/spawn/{person.name}/other")
        # The bar above is JupyterHub's own.
        found += [f"spawn: {one}" for one in barriers(page, without="nav")]
    admin = visit("admin")
    requests = admin.request.get(f"{PREFIX}api/v1/publication-requests").json()["items"]
    tabs = (
        "",
        "/images",
        "/order",
        "/people",
        "/retention",
        "/storage",
        "/jobs",
        "/audit",
    )
    for path in (*tabs, f"/requests/{requests[0]['id']}"):
        admin.goto(f"{PREFIX}admin{path}")
        found += [f"admin{path}: {one}" for one in barriers(admin)]
    assert not found, "\n".join(found)


def test_the_theme_is_chosen(person: Person) -> None:
    page = person.page
    page.goto(PREFIX)
    page.click("#dark-theme-toggle")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    page.click("#dark-theme-toggle")
