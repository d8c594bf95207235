"""The page of all tools: below any address, for people who are signed in, in both languages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .server import PASSWORD_TOKEN, JupyterServer, session_environment
from .xserver import XServer

pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
)
from playwright.sync_api import Page, expect  # noqa: E402

from tests.axe import barriers, needs_axe  # noqa: E402

OpenPage = Callable[..., Page]
ROOTFS = Path(__file__).parents[2] / "images/base"


def tools_url(server: JupyterServer) -> str:
    return f"{server.client.base_url}tools/?token={PASSWORD_TOKEN}"


def test_the_page_is_for_people_who_are_signed_in(jupyter: JupyterServer) -> None:
    assert jupyter.stranger.get("tools/").status_code == 302
    answer = jupyter.client.get("tools")
    assert answer.status_code == 302
    assert answer.headers["location"].endswith("/tools/")


def test_what_opens_after_a_start_is_still_the_desktop() -> None:
    config = ROOTFS / "rootfs/etc/jupyter/jupyter_server_config.py"
    assert 'default_url = "/desktop/"' in config.read_text()


@pytest.mark.browser
def test_the_bar_leads_to_the_tools_and_a_tile_back(
    vnc: XServer, jupyter: JupyterServer, open_page: OpenPage
) -> None:
    page = open_page(jupyter.page_url)
    link = page.get_by_role("link", name="Tools")
    with page.context.expect_page() as opened:
        link.click()
    tools = opened.value
    tile = tools.get_by_role("link", name="Remote Desktop")
    assert tile.get_attribute("href") == f"{jupyter.client.base_url}desktop/"
    expect(tools.get_by_role("link", name="JupyterLab")).to_be_visible()
    expect(tools.get_by_role("link", name="Terminal")).to_be_visible()
    # The desktop's own entry in the proxy's list is not a second tile.
    expect(tools.locator(".tile")).to_have_count(3)


@pytest.mark.browser
def test_a_program_of_an_image_has_a_tile(
    start_jupyter: Callable[..., JupyterServer], open_page: OpenPage, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    entry = {
        "command": [],
        "port": 9,
        "launcher_entry": {"title": "VS Code", "path_info": "tools/vscode/"},
    }
    servers = {"ServerProxy": {"servers": {"tools/vscode": entry}}}
    (config / "jupyter_server_config.json").write_text(json.dumps(servers))
    environment = session_environment("", tmp_path / "vnc.sock")
    server = start_jupyter(environment | {"JUPYTER_CONFIG_DIR": str(config)})
    page = open_page(tools_url(server), locale="fr-FR")
    tile = page.get_by_role("link", name="VS Code")
    expect(tile).to_contain_text("Écrire des programmes")
    assert tile.get_attribute("href") == f"{server.client.base_url}tools/vscode/"
    expect(page.get_by_role("link", name="Ligne de commande")).to_be_visible()


@needs_axe
@pytest.mark.browser
@pytest.mark.parametrize("width", [1100, 320])
def test_the_page_has_no_barriers(
    jupyter: JupyterServer, open_page: OpenPage, width: int
) -> None:
    page = open_page(tools_url(jupyter), width=width)
    expect(page.locator(".tile").first).to_be_visible()
    assert barriers(page) == []


@pytest.mark.parametrize(
    "file",
    sorted(ROOTFS.glob("rootfs/etc/jupyter/programs.d/*.json")),
    ids=lambda file: file.stem,
)
def test_a_program_is_registered_on_a_socket_and_only_where_it_is(file: Path) -> None:
    for name, entry in json.loads(file.read_text()).items():
        assert entry["needs"].startswith("/")
        assert entry["launcher_entry"]["path_info"] == f"{name}/"
        # The browser inside the desktop needs an address; nobody can change netdata's figures.
        assert entry.get("unix_socket") is True or name == "tools/netdata"
