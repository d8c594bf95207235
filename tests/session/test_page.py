"""The files of the desktop page and the way to the VNC server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from .server import PASSWORD_TOKEN, JupyterServer
from .xserver import XServer

STATIC = Path(__file__).parents[2] / "labextension/jupyter_desktop_save/static"
built = pytest.mark.skipif(
    not (STATIC / "index.html").exists(),
    reason="needs the built page: cd labextension && npm ci && npm run build",
)


@built
def test_the_page_loads_only_from_its_own_server(jupyter: JupyterServer) -> None:
    answer = jupyter.client.get("desktop/")
    assert answer.status_code == 200
    assert "text/html" in answer.headers["content-type"]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "style=" not in answer.text and "<script>" not in answer.text
    for name in ("main.js", "style.css", "icon.svg"):
        assert jupyter.client.get(f"desktop/{name}").status_code == 200


@built
def test_the_folder_has_a_slash(jupyter: JupyterServer) -> None:
    answer = jupyter.client.get("desktop")
    assert answer.status_code == 302
    assert answer.headers["location"].endswith("/desktop/")


def test_the_page_is_for_people_who_are_signed_in(jupyter: JupyterServer) -> None:
    answer = jupyter.stranger.get("desktop/")
    assert answer.status_code == 302
    assert "/login" in answer.headers["location"]
    assert jupyter.stranger.get("desktop/index.html").status_code == 302


@built
def test_the_pages_code_needs_no_sign_in(jupyter: JupyterServer) -> None:
    assert jupyter.stranger.get("desktop/main.js").status_code == 200


def test_nothing_outside_the_folder_is_served(jupyter: JupyterServer) -> None:
    assert jupyter.client.get("desktop/..%2f__init__.py").status_code in (403, 404)


def test_ready_follows_the_notes_of_the_start(
    jupyter: JupyterServer, desk: Path
) -> None:
    (desk / "step").write_text("session\n")
    (desk / "notice").write_text("home_not_writable\n")
    answer = jupyter.client.get("desktop-save/ready").json()
    assert answer == {"ready": False, "step": "display", "notice": "home_not_writable"}


def test_the_desktop_is_ready_when_the_vnc_server_greets(
    vnc: XServer, jupyter: JupyterServer, desk: Path
) -> None:
    assert jupyter.client.get("desktop-save/ready").json()["ready"] is True
    (desk / "step").write_text("session\n")
    answer = jupyter.client.get("desktop-save/ready").json()
    assert (answer["ready"], answer["step"]) == (False, "session")


def test_who_only_looks_whether_it_is_there_locks_nobody_out(
    vnc: XServer, jupyter: JupyterServer
) -> None:
    """A start may be slow, and several pages wait for it."""
    for _ in range(12):
        assert jupyter.client.get("desktop-save/ready").json()["ready"] is True
    signed_in = {"Authorization": f"token {PASSWORD_TOKEN}"}
    # With an older version it would say that it lets nobody in.
    assert greeting(jupyter, signed_in).startswith(b"RFB 003.008")


def greeting(jupyter: JupyterServer, headers: dict[str, str]) -> bytes:
    url = str(jupyter.client.base_url).replace("http", "ws") + "desktop-vnc/"

    async def first() -> bytes:
        socket = await websocket_connect(HTTPRequest(url, headers=headers))
        try:
            message = await asyncio.wait_for(socket.read_message(), 10)
            return bytes(message) if isinstance(message, bytes) else b""
        finally:
            socket.close()
            # Until the other side has said so too: else the connection outlives the loop.
            async with asyncio.timeout(10):
                while await socket.read_message() is not None:
                    pass

    return asyncio.run(first())


def test_the_vnc_server_is_behind_the_sign_in(
    vnc: XServer, jupyter: JupyterServer
) -> None:
    signed_in = {"Authorization": f"token {PASSWORD_TOKEN}"}
    assert greeting(jupyter, signed_in).startswith(b"RFB 003.")
    with pytest.raises(HTTPClientError, match="403"):
        greeting(jupyter, {})


def test_another_sites_page_cannot_open_the_desktop(
    vnc: XServer, jupyter: JupyterServer
) -> None:
    cookie = jupyter.stranger.get(jupyter.page_url).cookies
    pairs = "; ".join(f"{name}={value}" for name, value in cookie.items())
    origin = str(jupyter.client.base_url).split("/user")[0]
    assert greeting(jupyter, {"Cookie": pairs, "Origin": origin}).startswith(b"RFB")
    with pytest.raises(HTTPClientError, match="403"):
        greeting(jupyter, {"Cookie": pairs, "Origin": "https://elsewhere.example"})
