"""The pages of images and of the administration in a real browser, without a cluster.

Nothing on them is a barrier, their forms do what they say, and all works by keyboard.
"""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, async_playwright, expect

from hub_service.models import Person, Version
from hub_service.rules.quota import Quota
from tests.axe import RULES, SCRIPT, needs_axe
from tests.fakes.hub import ADMIN, READ, WRITE
from tests.service.conftest import BASE, PREFIX, World
from tests.service.test_database import version
from tests.service.test_package_changes import packages

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
STATIC = Path(sys.prefix) / "share/jupyterhub/static"
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", "test-results/screenshots"))
WIDE = {"width": 1280, "height": 900}
ROOT = Person("root", admin=True)
MINE = ["", "images/alice/gis", "images/alice/gis/versions/3"]
MINE += ["images/alice/gis/compare?from=1&to=3", "desktops", "save?server="]
MINE += ["build", "build?way=dockerfile"]
# An older version of it runs: this page asks.
MINE += ["start/alice/gis"]
THEIRS = ["images", "order", "people", "retention", "retention/1", "jobs", "audit"]

Open = Callable[..., Awaitable[Page]]


def kinds(kind: str, *names: str) -> list[dict[str, str]]:
    return [{"name": name, "version": "1.0", "kind": kind} for name in names]


CHANGES = [
    packages(added=kinds("apt", "qgis", "gdal-bin", "grass")),
    packages(added=kinds("pip", "geopandas", "shapely"), removed=kinds("apt", "grass")),
    packages(upgraded=[{"name": "qgis", "from": "1.0", "to": "1.1", "kind": "apt"}]),
]
LOOKS: dict[str, dict[str, Any]] = {
    "alice/gis": {"icon": "map", "tags": ["gis", "maps"], "description": "QGIS and R"},
    "bob/r": {"icon": "chart-line", "limits": {"cpu": 2, "memory": 4 * 10**9}},
    "carol/ml": {"icon": "brain", "limits": {"gpu": 1}},
}
QUOTAS = (
    Quota("user", "alice", 2_500_000_000, 12),
    Quota("group", "geographers", 20 * 10**9, None),
    Quota("everybody", "all", 10**9, 10),
)


def versions_of_gis(since: datetime) -> Iterator[Version]:
    """Three versions, each made from the one before."""
    below = {"name": "example.org/base:1", "digest": "sha256:0"}
    told = {
        "biggest": [{"path": "/usr/share/qgis/world.gpkg", "bytes": 412_000_000}],
        "entries": 812,
        "changed_bytes": 10**9,
    }
    for number, changes in enumerate(CHANGES, start=1):
        one = version(
            number,
            base=below,
            size=5_000_000_000 + number * 300_000_000,
            new_bytes=800_000_000,
            details={**changes, **told},
            created=since + timedelta(days=50 * number),
        )
        yield one
        below = {"name": one.reference, "digest": one.digest}


def fill(world: World) -> None:
    """Images of three people, and quotas."""
    assert world.services
    catalogue, quotas = world.services.catalogue, world.services.quotas
    old = datetime.now(UTC) - timedelta(days=200)
    for one in versions_of_gis(old):
        catalogue.add_version("alice", "gis", "Géographie", one)
    for owner, name, title in (
        ("bob", "r", "R and RStudio"),
        ("carol", "ml", "Deep learning"),
    ):
        own = version(1, digest=f"sha256:{name}", base={"name": "base:1"}, created=old)
        catalogue.add_version(owner, name, title, own)
    for path, fields in LOOKS.items():
        owner, _, name = path.partition("/")
        change = {**fields, "visibility": "published", "published": 1}
        catalogue.change("root", owner, name, **change)
    catalogue.note_start("alice", "gis", 3)
    for rule in QUOTAS:
        quotas.put(ROOT, rule)


@pytest.fixture
async def open_page(world: World) -> AsyncIterator[Open]:
    """Open a page as a person; the hub's own files come from where it is installed."""
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium: apt install chromium")
    fill(world)
    world.hub.add_user("alice", READ, WRITE, groups=("geographers",))
    world.hub.add_server("alice", user_options={"session": "customise"})
    world.cluster.add_session("alice", image=BASE)
    older = world.services.catalogue.image("alice", "gis") if world.services else None
    assert older is not None
    world.hub.add_server("alice", "gis")
    world.cluster.add_session("alice", "gis", image=older.versions[-1].reference)
    world.hub.add_user("root", READ, WRITE, ADMIN)
    assert world.services
    await world.services.retention.dry_run(ROOT, 30)

    async def serve(route: Route) -> None:
        file = STATIC / route.request.url.partition("/hub/static/")[2].partition("?")[0]
        known = file.is_file()
        await (route.fulfill(path=file) if known else route.fulfill(status=404))

    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"]
        )
        stack.push_async_callback(browser.close)

        async def show(user: str, path: str, **options: Any) -> Page:
            context = await browser.new_context(
                base_url=f"{world.url}{PREFIX}",
                extra_http_headers={"Authorization": f"Bearer token-of-{user}"},
                **{"viewport": WIDE, **options},
            )
            context.set_default_timeout(10_000)
            await context.route("**/hub/static/**", serve)
            page = await context.new_page()
            await page.goto(path)
            return page

        yield show


async def barriers(page: Page) -> list[str]:
    """Return what axe-core finds."""
    await page.evaluate(SCRIPT.read_text())
    found = await page.evaluate(
        """async (rules) => (await axe.run(document, {runOnly: rules})).violations.map(
          (one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`)""",
        RULES,
    )
    return [str(one)[:600] for one in found]


async def shoot(page: Page, name: str) -> None:
    """Keep a picture of a page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    name = name.translate(str.maketrans("/?&=", "----")) or "my-images"
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@needs_axe
@pytest.mark.parametrize(
    ("language", "options"),
    [
        ("en", {"locale": "en-GB"}),
        ("fr", {"locale": "fr-FR", "color_scheme": "dark"}),
        ("narrow", {"locale": "fr-FR", "viewport": {"width": 360, "height": 700}}),
    ],
)
async def test_nothing_is_a_barrier(
    open_page: Open, language: str, options: dict[str, Any]
) -> None:
    paths = [("alice", path) for path in MINE]
    paths += [("root", f"admin/{path}") for path in THEIRS]
    paths += [("root", "images/alice/gis")]
    found = []
    for user, path in paths:
        page = await open_page(user, path, **options)
        await expect(page.locator("h1")).to_be_visible()
        await shoot(page, f"{language}-{user}-{path}")
        found += [f"{user} {path}: {one}" for one in await barriers(page)]
        width = await page.evaluate("document.documentElement.scrollWidth")
        if width > (page.viewport_size or WIDE)["width"]:
            found.append(f"{user} {path}: {width} pixels wide")
        await page.context.close()
    assert not found, "\n".join(found)


async def test_the_picture_is_chosen_by_keyboard(open_page: Open) -> None:
    page = await open_page("alice", "images/alice/gis")
    await expect(page.locator("input[value=map]")).to_be_checked()
    await page.locator("input[value=map]").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("input[value=chart-line]")).to_be_checked()
    await page.fill("#tags", "atlas")
    await page.keyboard.press("Enter")
    await expect(page.locator(".desktop-tag")).to_have_text(["atlas"])
    await expect(page.locator("input[value=chart-line]")).to_be_checked()


async def test_naming_somebody_chooses_to_share(open_page: Open) -> None:
    page = await open_page("root", "images/alice/gis")
    await page.check("#visibility-private")
    await page.locator("button[value=share]").click()
    await expect(page.locator("[role=status]")).to_have_text("Saved.")
    await page.locator("#users").press_sequentially("bob")
    await expect(page.locator("#visibility-shared")).to_be_checked()
    await page.get_by_role("button", name="Save").nth(1).click()
    await expect(page.locator("[role=status]")).to_have_text("Saved.")
    await expect(page.locator("#visibility-shared")).to_be_checked()


async def test_a_desktop_is_stopped_after_a_question(open_page: Open) -> None:
    page = await open_page("alice", "desktops")
    stop = page.get_by_role("button", name="Stop My desktop")
    await stop.click()
    # Whoever does not confirm stops nothing.
    await expect(page.locator("main")).to_contain_text(
        "Remote Desktop · to customise it"
    )
    page.on("dialog", lambda dialog: dialog.accept())
    await stop.click()
    await expect(page.locator("[role=status]")).to_have_text(
        "The desktop is being stopped."
    )
    await expect(stop).to_have_count(0)


@pytest.mark.parametrize("path", ["build", "save?server="])
async def test_only_a_new_version_may_be_tried_first(
    open_page: Open, path: str
) -> None:
    page = await open_page("alice", path)
    stage = page.get_by_label("let me try it first")
    await page.fill("#title", " géographie ")
    await expect(stage).to_be_visible()
    await stage.check()
    await page.fill("#title", "Something new")
    await expect(stage).to_be_hidden()
    await expect(stage).to_be_disabled()


async def test_two_versions_are_compared_from_the_images_page(open_page: Open) -> None:
    page = await open_page("alice", "images/alice/gis")
    await page.select_option("#from", "1")
    await page.select_option("#to", "3")
    await page.click("text=Compare >> visible=true >> nth=-1")
    await expect(page.locator("h1")).to_have_text("From version 1 to version 3")
    text = page.locator("main")
    for words in ("geopandas", "1.0 → 1.1", "grass", "(+ 600 MB)"):
        await expect(text).to_contain_text(words)


async def test_the_spawn_page_is_ordered_by_keyboard(open_page: Open) -> None:
    page = await open_page("root", "admin/order")
    rows = page.locator(".desktop-rows li a")
    await expect(rows).to_have_text(["Deep learning", "R and RStudio", "Géographie"])
    await page.get_by_label("Move Géographie up").focus()
    await page.keyboard.press("Enter")
    await expect(rows).to_have_text(["Deep learning", "Géographie", "R and RStudio"])


async def test_a_quota_is_set_and_removed(open_page: Open) -> None:
    page = await open_page("root", "admin/people")
    await page.fill("#name", "bob")
    await page.fill("#gigabytes", "7,5")
    await page.click("text=Set the quota")
    await expect(page.locator("main")).to_contain_text("3.0 GB of 7.5 GB")
    await page.get_by_label("Remove the quota: user bob").click()
    await expect(page.locator("main")).to_contain_text("3.0 GB of 1.0 GB")
    await page.click("text=Set the quota")
    await expect(page.locator("[role=alert]")).to_contain_text("Say whose quota it is")


async def test_the_dry_run_comes_before_the_deletion(open_page: Open) -> None:
    page = await open_page("root", "admin/retention")
    await page.fill("#days", "60")
    await page.click("text=Show what would go")
    await expect(page.locator("main")).to_contain_text("Versions that would go: 1.")
    # Whoever does not confirm deletes nothing.
    await page.get_by_role("button", name="Delete exactly these").click()
    await expect(page.locator("main")).to_contain_text("Versions that would go: 1.")
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete exactly these").click()
    await expect(page.locator("main")).to_contain_text("Versions deleted: 1.")
