"""The desktop page in a real Firefox: picture, keys, clipboard, save dialog, languages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub_service import FakeHubService

from .conftest import PAGE
from .server import JupyterServer
from .xev import Xev
from .xserver import XServer

pytest.importorskip("websocket", reason="needs: pip install -e '.[test]'")
from .firefox import CONTROL, PROGRAM, Firefox  # noqa: E402

pytestmark = pytest.mark.browser
needs_xsel = pytest.mark.skipif(
    shutil.which("xsel") is None, reason="needs xsel: apt install xsel"
)
AZERTY = [
    ("a", "KeyQ"),
    ("q", "KeyA"),
    ("é", "Digit2"),
    ("Dead", "BracketLeft"),
    ("ê", "KeyE"),
    ("Dead", "BracketLeft"),
    ("ï", "KeyI"),
]
SHOWN = "document.querySelector('#veil').hidden"
COLOURS = """(() => {
  const canvas = document.querySelector("#screen canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 97) {
    seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
  }
  return seen.size;
})()"""


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """A real Firefox of a person in Canada who reads French."""
    if not PROGRAM.exists():
        pytest.skip("needs Firefox: apt install firefox-esr")
    if not PAGE.exists():
        pytest.skip("needs the built page: cd labextension && npm ci && npm run build")
    browser = Firefox(tmp_path_factory.mktemp("firefox") / "profile", "fr-CA, en")
    yield browser
    browser.stop()


@pytest.fixture
def page(vnc: XServer, jupyter: JupyterServer, firefox: Firefox) -> Firefox:
    """The desktop page, when the desktop is in view."""
    firefox.open(jupyter.page_url)
    firefox.wait_for(SHOWN)
    firefox.wait_for("document.querySelector('#bar .save') !== null")
    return firefox


def labelled(label: str) -> str:
    return f'button[aria-label="{label}"]'


def value(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).value"


def add_box(page: Firefox) -> None:
    """A place to write that the desktop page knows nothing of, with the cursor in it."""
    page.ask(
        "Object.assign(document.body.appendChild(document.createElement('input')),"
        " {id: 'elsewhere'}).focus()"
    )


def test_the_desktop_is_painted_and_takes_the_windows_size(page: Firefox) -> None:
    page.wait_for("document.querySelector('#screen canvas').width", 1100)
    # A canvas that shows nothing has one.
    page.wait_for(f"{COLOURS} > 1")


def test_french_follows_the_browser(page: Firefox) -> None:
    assert page.ask("document.documentElement.lang") == "fr"
    assert page.ask("document.querySelector('#bar .save').textContent") == (
        "Enregistrer comme image de bureau"
    )


def test_keys_reach_the_desktop_with_their_accents(
    page: Firefox, vnc: XServer, tmp_path: Path
) -> None:
    if shutil.which("xev") is None:
        pytest.skip("needs xev: apt install x11-utils")
    xev = Xev(vnc, tmp_path / "xev")
    try:
        page.click("#screen canvas")
        page.type("aéç")
        xev.wait_for(["a", "eacute", "ccedilla"])
    finally:
        xev.stop()


def test_a_french_keyboard_and_its_dead_keys_write_what_is_printed_on_them(
    page: Firefox, vnc: XServer, tmp_path: Path
) -> None:
    if shutil.which("xev") is None:
        pytest.skip("needs xev: apt install x11-utils")
    xev = Xev(vnc, tmp_path / "xev")
    try:
        page.click("#screen canvas")
        # As Firefox tells them to a page: a dead key by that name, then the finished letter.
        for key, code in AZERTY:
            for way in ("keydown", "keyup"):
                about = json.dumps({"key": key, "code": code, "bubbles": True})
                event = f"new KeyboardEvent('{way}', {about})"
                page.ask(
                    f"document.querySelector('#screen canvas').dispatchEvent({event})"
                )
        xev.wait_for(["a", "q", "eacute", "ecircumflex", "idiaeresis"])
    finally:
        xev.stop()


@needs_xsel
def test_text_of_the_panel_reaches_the_desktop(page: Firefox, vnc: XServer) -> None:
    page.click(labelled("Presse-papiers"))
    page.click("#clipboard-text")
    page.type("été d’ici")
    vnc.wait_until_copied("été d’ici")


@needs_xsel
def test_text_of_the_desktop_reaches_the_panel_and_the_browsers_clipboard(
    page: Firefox, vnc: XServer
) -> None:
    # Firefox lets a page write for some seconds after a click or a key, as when a person copies.
    page.click("#screen canvas")
    vnc.copy("noël de là-bas")
    page.wait_for(value("#clipboard-text"), "noël de là-bas")
    add_box(page)
    page.hold(CONTROL, "v")
    page.wait_for(value("#elsewhere"), "noël de là-bas")


@needs_xsel
def test_text_that_was_copied_elsewhere_comes_in_by_a_button(
    page: Firefox, vnc: XServer
) -> None:
    add_box(page)
    page.type("un mot d’ailleurs")
    page.hold(CONTROL, "a")
    page.hold(CONTROL, "c")
    page.click(labelled("Presse-papiers"))
    # It cannot promise to do so by itself from then on.
    button = ".panel .row button + button"
    words = f"document.querySelector('{button}').textContent"
    assert page.ask(words) == "Coller depuis cet ordinateur"
    page.click(button)
    vnc.wait_until_copied("un mot d’ailleurs")


def test_the_save_dialog_opens_and_says_what_will_be_saved(
    page: Firefox, hub: FakeHubService
) -> None:
    page.click("#bar .save")
    page.wait_for("document.querySelector('dialog[open] .numbers') !== null")
    page.wait_for(
        "document.querySelector('dialog[open] .numbers').textContent.includes('412\\u00a0Mo')"
    )
    assert hub.requests[-1]["language"].startswith("fr-CA")
