"""The desktop and every tile below any address: a hub's, a gateway's, a plain path, none at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .server import BASE, PASSWORD_TOKEN, JupyterServer, session_environment
from .xserver import XServer

pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
)
from playwright.sync_api import Page, expect  # noqa: E402

from .pages import shown  # noqa: E402

pytestmark = pytest.mark.browser
# A program that is told nothing of the address before it, as VS Code and netdata are.
PROGRAM = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
PROGRAMS = {"tools/vscode": "VS Code", "tools/netdata": "netdata"}
TILES = ["Remote Desktop", "JupyterLab", "Terminal", *PROGRAMS.values()]


def write_programs(folder: Path) -> None:
    """Register programs as an image does."""
    servers = {
        name: {
            "command": PROGRAM,
            "launcher_entry": {"title": title, "path_info": f"{name}/"},
        }
        for name, title in PROGRAMS.items()
    }
    config = {"ServerProxy": {"servers": servers}}
    (folder / "jupyter_server_config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "base, wanted",
    [
        (BASE, BASE),
        ("/", "/"),
        ("/workspace", "/workspace/"),
        ("/workspace/", "/workspace/"),
        ("/notebook/team/desk", "/notebook/team/desk/"),
    ],
)
def test_every_tile_opens_below_the_address(
    base: str,
    wanted: str,
    vnc: XServer,
    start_lab: Callable[..., JupyterServer],
    open_page: Callable[..., Page],
    tmp_path: Path,
) -> None:
    write_programs(tmp_path)
    environment = {"DESKTOP_VNC_SOCKET": str(vnc.socket)}
    if base == BASE:
        environment = session_environment("", vnc.socket)
    environment["JUPYTER_CONFIG_DIR"] = str(tmp_path)
    server = start_lab(environment, base=base)
    page = open_page(f"{server.client.base_url}tools/?token={PASSWORD_TOKEN}")
    links = page.locator(".tile")
    expect(links).to_have_count(len(TILES))
    for name, link in zip(TILES, links.all(), strict=True):
        expect(link).to_contain_text(name)
        address = str(link.get_attribute("href"))
        assert urlsplit(address).path.startswith(wanted)
        answer = server.client.get(address, follow_redirects=True)
        assert answer.status_code == 200, name
        assert answer.url.path.startswith(wanted)
    # The picture comes over a websocket, below the same address.
    page.get_by_role("link", name="Remote Desktop").click()
    shown(page)
    assert urlsplit(page.url).path == f"{wanted}desktop/"
