"""The picture's choices, and the keys of other keyboards, as far as a program on the X server."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .server import JupyterServer
from .xev import Xev
from .xserver import XServer

pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
)
from playwright.sync_api import Page, WebSocket, expect  # noqa: E402

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
# (key, code, keysym that the program on the X server gets), as a French keyboard sends them.
AZERTY = [
    ("a", "KeyQ", "a"),
    ("q", "KeyA", "q"),
    ("é", "Digit2", "eacute"),
    ("ç", "Digit9", "ccedilla"),
    ("à", "Digit0", "agrave"),
    ("ù", "Quote", "ugrave"),
    ("&", "Digit1", "ampersand"),
]


def note_frames(socket: WebSocket, sent: list[bytes]) -> None:
    """Keep what the page sends."""

    def keep(data: bytes | str) -> None:
        sent.append(data.encode() if isinstance(data, str) else data)

    socket.on("framesent", keep)


def shown(page: Page) -> Page:
    expect(page.locator("#veil")).to_be_hidden(timeout=20_000)
    return page


@pytest.fixture
def typing(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage, tmp_path: Path
) -> Iterator[tuple[Callable[..., None], Xev]]:
    """Press a key as the browser reports it; the program that gets it."""
    if shutil.which("xev") is None:
        pytest.skip("needs xev: apt install x11-utils")
    page = shown(open_page(jupyter.page_url))
    xev = Xev(vnc, tmp_path / "xev")
    page.mouse.click(300, 250)
    session = page.context.new_cdp_session(page)

    def press(key: str, code: str, modifiers: int = 0) -> None:
        text = {"text": key} if len(key) == 1 else {}
        event = {"key": key, "code": code, "modifiers": modifiers}
        session.send("Input.dispatchKeyEvent", {"type": "keyDown", **event, **text})
        session.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    yield press, xev
    xev.stop()


Typing = tuple[Callable[..., None], Xev]


def test_a_french_keyboard_types_what_is_printed_on_it(typing: Typing) -> None:
    press, xev = typing
    for key, code, _ in AZERTY:
        press(key, code)
    xev.wait_for([name for _, _, name in AZERTY])


def test_a_dead_key_and_its_letter_make_one(typing: Typing) -> None:
    # The browser composes: it reports the dead key by that name, then the finished letter.
    press, xev = typing
    # A program learns of letters that its layout lacks after the server's first key.
    press("a", "KeyQ")
    press("Dead", "BracketLeft")
    press("ê", "KeyE")
    press("Dead", "BracketLeft")
    press("ï", "KeyI")
    xev.wait_for(["a", "ecircumflex", "idiaeresis"])


def test_keys_that_lead_out_of_the_desktop_are_not_held_down_in_it(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage, tmp_path: Path
) -> None:
    if shutil.which("xev") is None:
        pytest.skip("needs xev: apt install x11-utils")
    page = shown(open_page(jupyter.page_url))
    xev = Xev(vnc, tmp_path / "xev")
    try:
        page.mouse.click(300, 250)
        page.keyboard.press("Control+Alt+Shift+KeyB")
        expect(page.get_by_role("link", name="Hub")).to_be_focused()
        deadline = time.monotonic() + 10
        while xev.held() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert xev.held() == {}
        assert "Control_L" in xev.keys()
    finally:
        xev.stop()


def test_the_quality_is_chosen_remembered_and_used(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Scaling").click()
    expect(page.get_by_label("Balanced")).to_be_checked()
    sent: list[bytes] = []
    page.get_by_label("For slow networks").check()
    assert page.evaluate("localStorage.getItem('desktop-quality')") == "slow"
    page.on("websocket", lambda socket: note_frames(socket, sent))
    page.reload()
    shown(page)
    page.get_by_role("button", name="Scaling").click()
    expect(page.get_by_label("For slow networks")).to_be_checked()
    # SetEncodings carries JPEG's quality as -32 + level and zlib's as -256 + level.
    wire = b"".join(sent)
    for pseudo_encoding in (-32 + 2, -256 + 9):
        assert pseudo_encoding.to_bytes(4, "big", signed=True) in wire
