"""The desktop page in a real Chromium, with a real Xvnc and a real Jupyter server."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.hub_service import TOKEN, Failure, FakeHubService

from .server import BASE, JupyterServer
from .xserver import XServer

pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
)
from playwright.sync_api import Page, Request, expect  # noqa: E402

from tests.axe import barriers, needs_axe  # noqa: E402

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
SERVER = {"user": "alice", "name": "course"}
# How many colours a sample of the canvas has: a blank one has only one.
PIXELS = """() => {
  const canvas = document.querySelector("#screen canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 97) {
    seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
  }
  return {colours: seen.size, width: canvas.width, height: canvas.height};
}"""


def shown(page: Page) -> Page:
    """The page when the desktop is in view."""
    expect(page.locator("#veil")).to_be_hidden(timeout=20_000)
    return page


def begin_save(page: Page, hub: FakeHubService) -> dict[str, Any]:
    page.get_by_role("button", name="Save as desktop image").click()
    expect(page.locator(".numbers")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    return list(hub.jobs.values())[-1]


def test_the_desktop_is_painted_and_takes_the_windows_size(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url, width=1000, height=640))
    page.wait_for_function("document.querySelector('#screen canvas').width === 1000")
    picture = page.evaluate(PIXELS)
    assert picture["height"] == 600
    assert picture["colours"] > 1
    expect(page).to_have_title("GIS course")
    expect(page.get_by_text("customising")).to_be_visible()
    assert page.get_by_role("link", name="Hub").get_attribute("href") == "/hub/home"


def test_a_save_from_the_question_to_the_link(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    expect(
        dialog.locator(".numbers", has_text="412 MB changed · 7,018 files · about 20 s")
    ).to_be_visible()
    expect(dialog.get_by_text("→ new version 4")).to_be_visible()
    expect(dialog.get_by_text("Keys, logins, histories")).to_be_visible()
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("include my home folder").uncheck()
    expect(dialog.locator(".numbers", has_text="374 MB changed")).to_be_visible()
    dialog.get_by_label("What's new").fill("adds QGIS plugins")
    dialog.get_by_role("button", name="Save", exact=True).click()

    meter = page.get_by_role("progressbar")
    expect(meter).to_be_visible()
    # Steps are those of the service's answer.
    expect(page.locator(".steps li").first).to_be_visible()
    job = list(hub.jobs.values())[-1]
    # Whether the events are asked for before or after this line is chance.
    saves = [one["body"] for one in hub.requests if one["what"].endswith("/commits")]
    assert saves[-1] == {
        "image": {"name": "gis-course"},
        "description": "adds QGIS plugins",
        "include_home": False,
        "exclude": [],
        "stop_after": False,
        "start_test": False,
        "activate": True,
        "server": SERVER,
    }
    hub.advance(job["id"], "read", 103_000_000, 412_000_000)
    expect(page.locator(".headline")).to_have_text("Reading 103 of 412 MB · 120 MB/s")
    before = int(meter.get_attribute("aria-valuenow") or 0)
    hub.advance(job["id"], "push", 96_000_000, 171_000_000)
    expect(page.locator(".headline")).to_contain_text("Sending 96 of 171 MB")
    expect(page.get_by_text("Held still for 0.06 s")).to_be_visible()
    assert int(meter.get_attribute("aria-valuenow") or 0) > before > 0
    hub.finish(job["id"])
    expect(page.locator(".verdict")).to_have_text("Saved as GIS course, version 4.")
    link = page.get_by_role("link", name="Start it")
    assert link.get_attribute("href") == job["links"]["start"]
    expect(link).to_be_focused()


def test_a_version_may_be_tried_before_others_start_it(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    dialog.get_by_label("see afterwards whether it starts").check()
    dialog.get_by_label("let me try it first").check()
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    job = list(hub.jobs.values())[-1]
    saves = [one["body"] for one in hub.requests if one["what"].endswith("/commits")]
    assert (saves[-1]["start_test"], saves[-1]["activate"]) == (True, False)
    hub.finish(job["id"])
    link = page.get_by_role("link", name="Try it")
    assert link.get_attribute("href") == job["links"]["try"]
    expect(page.get_by_text("Nobody else can start it")).to_be_visible()
    expect(page.get_by_role("link", name="Make it active…")).to_be_visible()


def test_a_new_image_has_no_version_before_to_go_on_with(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    dialog.get_by_label("let me try it first").check()
    dialog.get_by_label("Name").fill("Something new")
    expect(dialog.get_by_label("let me try it first")).to_be_hidden()
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    saves = [one["body"] for one in hub.requests if one["what"].endswith("/commits")]
    assert (saves[-1]["image"], saves[-1]["activate"]) == ("Something new", True)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"unchanged": True}, "Nothing had changed since it was saved before"),
        ({"kept_layers": 2}, "Only what was new since the save before went"),
        ({"changed_while_saved": ["/var/log/x"]}, "/var/log/x was being written"),
        ({"changed_while_saved": ["/a", "/b"]}, "2 files were being written"),
    ],
)
def test_the_end_says_what_was_special(
    vnc: XServer,
    jupyter: JupyterServer,
    hub: FakeHubService,
    open_page: OpenPage,
    result: dict[str, Any],
    words: str,
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    hub.finish(job["id"], **result)
    expect(page.get_by_role("dialog")).to_contain_text(words)


def test_a_hub_that_tries_nothing_offers_no_test(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    hub.preview["start_tests"] = False
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    expect(dialog.locator(".numbers")).to_be_visible()
    expect(dialog.get_by_label("let me try it first")).to_be_visible()
    expect(dialog.get_by_label("see afterwards whether it starts")).to_be_hidden()


def test_the_dialog_may_be_closed_and_the_page_loaded_again(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    hub.advance(job["id"], "read", 206_000_000, 412_000_000)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Saving 28%")).to_be_visible()
    expect(page).to_have_title("28% · GIS course")
    shown(page).reload()
    page.get_by_role("button", name="Saving 28%").click()
    expect(page.locator(".headline")).to_contain_text("Reading 206 of 412 MB")
    page.get_by_role("button", name="Close, go on saving").click()
    hub.finish(job["id"])
    expect(page.locator(".toast")).to_contain_text("Saved as GIS course, version 4.")


def test_events_that_are_cut_do_not_stop_the_progress(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    hub.cut_streams()
    hub.advance(job["id"], "read", 100_000_000, 412_000_000)
    expect(page.locator(".headline", has_text="Reading 100 of 412 MB")).to_be_visible(
        timeout=15_000
    )
    hub.finish(job["id"])
    expect(page.get_by_role("link", name="Start it")).to_be_visible()


def test_a_failure_says_what_is_safe_and_is_tried_again(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    text = "Not saved: the image store did not answer. Your desktop is unharmed."
    hub.fail_job(job["id"], "registry_unavailable", text)
    dialog = page.get_by_role("dialog", name="Not saved")
    expect(dialog.locator(".verdict", has_text=text)).to_be_visible()
    dialog.get_by_text("Details", exact=True).click()
    expect(dialog.locator("pre")).to_contain_text('"attempts": 5')
    hub.fail("POST /commits", Failure(cut=True))
    dialog.get_by_role("button", name="Try again").click()
    expect(
        dialog.locator(".verdict", has_text="The image service did not answer.")
    ).to_be_visible()
    dialog.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("dialog", name="Saving your desktop")).to_be_visible()
    expect(page.locator(".steps li").first).to_be_visible()
    assert len(hub.jobs) == 2


def test_a_preview_that_fails_can_be_asked_for_again(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    hub.fail(
        "POST /commits/preview", Failure(message="The agent is away. Nothing was lost.")
    )
    page.get_by_role("button", name="Save as desktop image").click()
    expect(page.get_by_text("The agent is away. Nothing was lost.")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".numbers")).to_be_visible()


def test_every_request_passes_a_hubs_xsrf_rule(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    # A hub takes a cookie without an XSRF token for page views, same-origin resources of
    # elements and websockets; the Jupyter server alone would let more pass.
    bare: list[str] = []

    def look(request: Request) -> None:
        headers = request.all_headers()
        mode = headers.get("sec-fetch-mode", "")
        carried = "x-xsrftoken" in headers or "_xsrf=" in request.url
        if "/desktop/" in request.url:
            # The page itself is a page view; its files are open to anyone.
            return
        if mode not in ("navigate", "no-cors", "websocket") and not carried:
            bare.append(f"{mode} {request.url}")

    page = open_page("about:blank")
    page.on("requestfinished", look)
    page.goto(jupyter.page_url)
    job = begin_save(shown(page), hub)
    hub.finish(job["id"])
    expect(page.get_by_role("link", name="Start it")).to_be_visible()
    page.wait_for_timeout(300)
    assert bare == []


def test_french_follows_the_browser(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url, locale="fr-CA"))
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.get_by_role("button", name="Enregistrer comme image de bureau").click()
    expect(page.locator(".numbers")).to_have_text(
        re.compile(r"412\sMo modifiés · 7\s018 fichiers · environ 20\ss")
    )
    assert hub.requests[-1]["language"].startswith("fr-CA")


def test_a_connection_that_is_lost_comes_back_by_itself(
    jupyter: JupyterServer, start_vnc: Callable[[], XServer], open_page: OpenPage
) -> None:
    first = start_vnc()
    page = shown(open_page(jupyter.page_url))
    first.stop()
    expect(page.locator("#veil")).to_contain_text(
        "your desktop keeps running", timeout=10_000
    )
    start_vnc()
    shown(page)


def test_the_page_is_never_blank_while_the_desktop_starts(
    jupyter: JupyterServer, start_vnc: Callable[[], XServer], open_page: OpenPage
) -> None:
    page = open_page(jupyter.page_url)
    expect(page.get_by_role("heading", name="Starting your desktop")).to_be_visible()
    expect(page.locator("#veil")).to_contain_text("This usually takes about 5 s.")
    start_vnc()
    shown(page)


def test_without_a_hub_the_button_says_why(
    vnc: XServer,
    start_jupyter: Callable[[dict[str, str]], JupyterServer],
    open_page: OpenPage,
) -> None:
    jupyter = start_jupyter({"DESKTOP_VNC_SOCKET": str(vnc.socket)})
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    expect(page.get_by_role("dialog")).to_contain_text("nowhere to save it to")


def test_the_keyboard_reaches_everything_and_stays_in_the_dialog(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.locator("#screen canvas").click()
    page.keyboard.press("Control+Alt+Shift+KeyB")
    expect(page.get_by_role("link", name="Hub")).to_be_focused()
    # The link to all tools stands between.
    page.keyboard.press("Tab")
    for name in ("Clipboard", "Scaling"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("group", name=name).first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name=name)).to_be_focused()
    page.get_by_role("button", name="Save as desktop image").press("Enter")
    expect(page.locator(".numbers")).to_be_visible()
    for _ in range(25):
        page.keyboard.press("Tab")
        # Between the last and the first a browser goes through its own frame.
        assert page.evaluate(
            "document.activeElement === document.body ||"
            " document.activeElement.closest('dialog') !== null"
        )


@needs_axe
def test_nothing_is_a_barrier(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    assert barriers(page) == []
    page.get_by_role("button", name="Save as desktop image").click()
    expect(page.locator(".numbers")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    assert barriers(page) == []


@pytest.mark.skipif(shutil.which("xsel") is None, reason="needs xsel: apt install xsel")
def test_the_clipboard_goes_both_ways(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Clipboard").click()
    page.get_by_label("The desktop's clipboard").fill("été from here")
    read = ["xsel", "--clipboard", "--output"]
    for _ in range(50):
        got = subprocess.run(
            read, env={"DISPLAY": vnc.display}, capture_output=True, check=False
        )
        if got.stdout:
            break
        page.wait_for_timeout(100)
    assert got.stdout.decode() == "été from here"


def test_the_browser_never_has_the_token(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    seen: list[str] = []
    page = open_page(jupyter.page_url)
    page.on(
        "response", lambda answer: seen.append(f"{answer.url} {answer.all_headers()}")
    )
    begin_save(shown(page), hub)
    everything = page.content() + page.evaluate(
        "document.cookie + JSON.stringify(localStorage)"
    )
    assert TOKEN not in everything + "".join(seen)
    outside = [line for line in seen if BASE not in line]
    assert not outside
