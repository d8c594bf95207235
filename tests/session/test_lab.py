"""JupyterLab's "Save as desktop image" in a real Chromium, with a real Jupyter server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.hub_service import Failure, FakeHubService

from .server import PASSWORD_TOKEN, JupyterServer

pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
)
from playwright.sync_api import Locator, Page, TimeoutError, expect  # noqa: E402

from tests.axe import barriers, needs_axe  # noqa: E402

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
SAVE = "Save as desktop image"
SERVER = {"user": "alice", "name": "course"}
FRENCH = {"@jupyterlab/translation-extension:plugin": {"locale": "fr_FR"}}
DARK = {"@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark"}}
# Everything of JupyterLab's that looks different without our style sheet.
OUTSIDE = """() => {
  const sheet = [...document.styleSheets].find(
    (one) => one.ownerNode.textContent.includes(".desktop-save-status"));
  const all = [...document.querySelectorAll("body *")].filter(
    (one) => !one.closest(".save-dialog, .desktop-save-status"));
  const looks = () => all.map((one) => {
    const style = getComputedStyle(one);
    return [...style].filter((name) => !/^(transition|animation)/.test(name))
      .map((name) => style.getPropertyValue(name)).join();
  });
  const before = looks();
  sheet.disabled = true;
  const after = looks();
  return [all.length, all.filter((_, i) => before[i] !== after[i]).map((one) => one.className)];
}"""


def top_button(page: Page, name: str = SAVE) -> Locator:
    """The button in the top bar, when JupyterLab has drawn it."""
    found = page.locator("#jp-top-panel").get_by_role("button", name=name)
    expect(found).to_be_visible(timeout=40_000)
    return found


def status(page: Page) -> Locator:
    return page.locator(".desktop-save-status")


def open_dialog(page: Page) -> Locator:
    top_button(page).click()
    dialog = page.get_by_role("dialog", name=SAVE)
    expect(dialog.locator(".numbers")).to_be_visible()
    return dialog


def ask_palette(page: Page, words: str) -> None:
    """JupyterLab closes its palette when the focus moves, as a dialog's end moves it late."""
    search = page.get_by_placeholder("SEARCH", exact=True)
    for _ in range(10):
        page.keyboard.press("Control+Shift+C")
        try:
            search.fill(words, timeout=2_000)
            expect(page.locator(".lm-CommandPalette-item.lm-mod-active")).to_be_visible(
                timeout=2_000
            )
        except (AssertionError, TimeoutError):
            continue
        page.keyboard.press("Enter")
        return
    raise AssertionError("the command palette does not open")


def begin_save(page: Page, hub: FakeHubService) -> dict[str, Any]:
    open_dialog(page).get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    return list(hub.jobs.values())[-1]


def test_it_is_in_the_top_bar_the_file_menu_and_the_palette(
    lab: JupyterServer, open_page: OpenPage
) -> None:
    page = open_page(lab.lab_url)
    dialog = open_dialog(page)
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    page.get_by_role("menuitem", name="File").click()
    page.get_by_role("menuitem", name=SAVE).click()
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()

    ask_palette(page, "desktop image")
    expect(dialog).to_be_visible()


def test_a_save_from_the_question_to_the_link(
    lab: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = open_page(lab.lab_url)
    dialog = open_dialog(page)
    numbers = "412 MB changed · 7,018 files · about 20 s"
    expect(dialog.locator(".numbers")).to_have_text(numbers)
    expect(status(page)).to_be_hidden()
    dialog.get_by_label("What's new").fill("adds QGIS plugins")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    [body] = [one["body"] for one in hub.requests if one["what"] == "POST /commits"]
    assert (body["server"], body["description"]) == (SERVER, "adds QGIS plugins")
    job = list(hub.jobs.values())[-1]
    hub.advance(job["id"], "read", 103_000_000, 412_000_000)
    expect(page.locator(".headline")).to_have_text("Reading 103 of 412 MB · 120 MB/s")
    expect(status(page)).to_have_text("Saving 16% · Reading")
    hub.advance(job["id"], "push", 96_000_000, 171_000_000)
    expect(page.locator(".headline")).to_contain_text("Sending 96 of 171 MB")
    expect(page.get_by_text("Held still for 0.06 s")).to_be_visible()
    expect(status(page)).to_have_text("Saving 76% · Sending")
    hub.finish(job["id"])
    expect(page.locator(".verdict")).to_have_text("Saved as GIS course, version 4.")
    link = page.get_by_role("link", name="Start it")
    assert link.get_attribute("href") == job["links"]["start"]
    page.keyboard.press("Escape")
    # What was seen is not told again.
    expect(status(page)).to_be_hidden()
    expect(page.locator(".Toastify__toast")).to_have_count(0)


def test_a_save_is_taken_up_when_the_tab_is_opened_again(
    lab: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = open_page(lab.lab_url)
    job = begin_save(page, hub)
    page.context.close()
    hub.advance(job["id"], "read", 206_000_000, 412_000_000)

    page = open_page(lab.lab_url)
    expect(status(page)).to_have_text("Saving 28% · Reading", timeout=40_000)
    status(page).click()
    expect(page.locator(".headline")).to_contain_text("Reading 206 of 412 MB")
    page.get_by_role("button", name="Close, go on saving").click()
    hub.finish(job["id"])
    expect(status(page)).to_have_text("Saved")
    toast = page.locator(".Toastify__toast")
    expect(toast).to_contain_text("Saved as GIS course, version 4.")
    with page.context.expect_page() as started:
        toast.get_by_role("button", name="Start it").click()
    assert started.value.url.endswith(job["links"]["start"])


def test_a_failure_says_what_is_safe_and_is_tried_again(
    lab: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = open_page(lab.lab_url)
    job = begin_save(page, hub)
    text = "Not saved: the image store did not answer. Your desktop is unharmed."
    hub.fail_job(job["id"], "registry_unavailable", text)
    dialog = page.get_by_role("dialog", name="Not saved")
    expect(dialog.locator(".verdict")).to_have_text(text)
    expect(status(page)).to_have_text("Not saved")
    hub.fail("POST /commits", Failure(cut=True))
    dialog.get_by_role("button", name="Try again").click()
    unreached = "The image service did not answer."
    expect(dialog.locator(".verdict", has_text=unreached)).to_be_visible()
    dialog.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("dialog", name="Saving your desktop")).to_be_visible()
    expect(page.locator(".steps li").first).to_be_visible()
    assert len(hub.jobs) == 2


@pytest.mark.parametrize("by", ["notice", "status"])
def test_a_failure_that_nobody_saw_is_told_until_it_is_shown(
    lab: JupyterServer, hub: FakeHubService, open_page: OpenPage, by: str
) -> None:
    page = open_page(lab.lab_url)
    job = begin_save(page, hub)
    page.keyboard.press("Escape")
    hub.fail_job(job["id"], "disk_full", "Not saved: the node is full.")
    toast = page.locator(".Toastify__toast")
    expect(toast).to_contain_text("Not saved: the node is full.")
    show = toast.get_by_role("button", name="Show")
    (show if by == "notice" else status(page)).click()
    expect(page.get_by_role("dialog", name="Not saved")).to_be_visible()
    expect(toast).to_have_count(0)


def test_without_a_hub_the_dialog_says_why(
    start_lab: Callable[..., JupyterServer], open_page: OpenPage
) -> None:
    page = open_page(start_lab({}).lab_url)
    top_button(page).click()
    expect(page.get_by_role("dialog")).to_contain_text("nowhere to save it to")


def test_it_speaks_jupyterlabs_language_not_the_browsers(
    lab: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = open_page(lab.lab_url, locale="fr-CA")
    job = begin_save(page, hub)
    hub.advance(job["id"], "read", 103_000_000, 412_000_000)
    expect(page.locator(".headline")).to_contain_text("Reading 103 of 412 MB")
    assert {one["language"] for one in hub.requests} == {"en"}


def test_it_is_french_when_jupyterlab_is(
    start_lab: Callable[..., JupyterServer],
    running_lab: JupyterServer,
    hub: FakeHubService,
    open_page: OpenPage,
) -> None:
    pytest.importorskip(
        "jupyterlab_language_pack_fr_FR", reason="needs: pip install -e '.[test]'"
    )
    page = open_page(start_lab(running_lab.session, FRENCH).lab_url, locale="en-US")
    top_button(page, "Enregistrer comme image de bureau").click()
    expect(page.locator(".numbers")).to_have_text(
        re.compile(r"412\sMo modifiés · 7\s018 fichiers · environ 20\ss")
    )
    page.get_by_role("button", name="Enregistrer", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    job = list(hub.jobs.values())[-1]
    hub.advance(job["id"], "read", 103_000_000, 412_000_000)
    expect(status(page)).to_have_text(
        re.compile(r"Enregistrement 16\s%\s· Lecture", re.IGNORECASE)
    )
    # What the service says is in the same language.
    assert {one["language"] for one in hub.requests} == {"fr-FR"}


def dialog_barriers(page: Page) -> list[str]:
    # axe-core knows no top layer: JupyterLab's body has no height and hides what flows over, and
    # its shell lies above the dialog in the tree, so the dialog's text would count as unseen.
    page.add_style_tag(
        content="body { min-height: 100vh } #main { visibility: hidden }"
    )
    found = barriers(page, within=".save-dialog")
    page.add_style_tag(content="#main { visibility: visible }")
    return found


@needs_axe
@pytest.mark.parametrize("theme", [{}, DARK], ids=["light", "dark"])
def test_nothing_is_a_barrier(
    start_lab: Callable[..., JupyterServer],
    running_lab: JupyterServer,
    hub: FakeHubService,
    open_page: OpenPage,
    theme: dict[str, dict[str, Any]],
) -> None:
    lab = start_lab(running_lab.session, theme) if theme else running_lab
    page = open_page(lab.lab_url)
    dialog = open_dialog(page)
    assert dialog_barriers(page) == []
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    job = list(hub.jobs.values())[-1]
    hub.advance(job["id"], "read", 103_000_000, 412_000_000)
    expect(page.locator(".headline")).to_contain_text("Reading")
    assert dialog_barriers(page) == []
    page.keyboard.press("Escape")
    expect(status(page)).to_be_visible()
    assert barriers(page, within=".desktop-save-status") == []
    status(page).click()
    hub.fail_job(job["id"], "disk_full", "Not saved: the node is full.")
    expect(page.locator(".verdict")).to_be_visible()
    assert dialog_barriers(page) == []


def test_the_dialogs_look_reaches_nothing_of_jupyterlabs(
    lab: JupyterServer, open_page: OpenPage
) -> None:
    page = open_page(lab.lab_url)
    top_button(page)
    shown, changed = page.evaluate(OUTSIDE)
    assert shown > 200
    assert changed == []


def test_the_terminals_tile_opens_one(lab: JupyterServer, open_page: OpenPage) -> None:
    address = f"{lab.client.base_url}lab/workspaces/terminal?reset&terminal"
    page = open_page(f"{address}&token={PASSWORD_TOKEN}")
    expect(page.locator(".jp-Terminal")).to_have_count(1, timeout=60_000)
