"""The desktop page in a real Chromium, with a real Xvnc and a real Jupyter server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.hub_service import TOKEN, FakeHubService

from .server import BASE, JupyterServer
from .xserver import XServer

pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
)
from playwright.sync_api import Page, Request, expect  # noqa: E402

from tests.axe import barriers, needs_axe  # noqa: E402

from .pages import begin_save, shown  # noqa: E402

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
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


@pytest.mark.parametrize(
    "locale, words",
    [
        ("en-US", "cannot be written (read-only or full). Your files are untouched"),
        ("fr-CA", "ne peut pas être écrit (lecture seule ou plein). Vos fichiers sont"),
    ],
)
def test_a_home_that_cannot_be_written_is_said_on_the_page(
    vnc: XServer,
    jupyter: JupyterServer,
    desk: Path,
    open_page: OpenPage,
    locale: str,
    words: str,
) -> None:
    (desk / "notice").write_text("home_not_writable\n")
    page = shown(open_page(jupyter.page_url, locale=locale))
    expect(page.locator("#notices .toast")).to_contain_text(words)
    # Whoever has read it is told once.
    page.locator("#notices .toast button").click()
    expect(page.locator("#notices .toast")).to_have_count(0)


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


needs_xsel = pytest.mark.skipif(
    shutil.which("xsel") is None, reason="needs xsel: apt install xsel"
)


@needs_xsel
def test_text_of_the_panel_reaches_the_desktop(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Clipboard").click()
    page.get_by_label("The desktop's clipboard").fill("été from here")
    vnc.wait_until_copied("été from here")


@needs_xsel
def test_text_of_the_desktop_reaches_the_panel_and_the_browsers_clipboard(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage
) -> None:
    page = open_page("about:blank")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(jupyter.page_url)
    shown(page).locator("#screen canvas").click()
    vnc.copy("noël from there")
    page.get_by_role("button", name="Clipboard").click()
    label = page.get_by_label("The desktop's clipboard")
    expect(label).to_have_value("noël from there")
    got = page.evaluate("navigator.clipboard.readText()")
    assert got == "noël from there"


@needs_xsel
def test_text_that_was_copied_elsewhere_is_in_the_desktop_when_the_person_comes_back(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage
) -> None:
    page = open_page("about:blank")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(jupyter.page_url)
    shown(page).evaluate("navigator.clipboard.writeText('of another window')")
    page.mouse.move(5, 5)
    page.mouse.move(300, 300)
    vnc.wait_until_copied("of another window")


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
