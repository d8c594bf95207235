"""Fixtures of the session's tests.

hub            a fake hub service (tests/fakes/hub_service.py), emptied before each test
desk           the folder where a desktop leaves its socket and its notes
jupyter        a real Jupyter server with our extension that saves through `hub`
start_jupyter  starts more of them, with another environment
lab            a server like `jupyter` with JupyterLab in English
start_lab      starts more of those, with JupyterLab's settings (skips without JupyterLab)
vnc            a real Xvnc on a socket (skips without tigervnc-standalone-server)
start_vnc      starts one when the test wants it
open_page      opens the desktop page in a real Chromium (skips without it)
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.hub_service import FakeHubService

from .server import BASE, JupyterServer, session_environment
from .xserver import XServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BUTTON = Path(sys.prefix) / "share/jupyter/labextensions/jupyter-desktop-save"
# Nobody outside is asked for news, and no notice of it stands in the way.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
    }
}
PAGE = Path(__file__).parents[2] / "labextension/jupyter_desktop_save/static/index.html"


@pytest.fixture(scope="module")
def running_hub() -> Iterator[FakeHubService]:
    """The server behind `hub`."""
    with FakeHubService().running() as fake:
        yield fake


@pytest.fixture
def hub(running_hub: FakeHubService) -> FakeHubService:
    """A hub service that knows nothing yet."""
    running_hub.reset()
    return running_hub


@pytest.fixture(scope="module")
def module_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder behind `desk`."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture
def desk(module_desk: Path) -> Path:
    """The folder of a desktop, with no notes in it."""
    for note in module_desk.iterdir():
        note.unlink()
    return module_desk


@pytest.fixture(scope="module")
def running_jupyter(
    running_hub: FakeHubService,
    module_desk: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[JupyterServer]:
    """The server behind `jupyter`."""
    environment = session_environment(running_hub.url, module_desk / "vnc.sock")
    server = JupyterServer(tmp_path_factory.mktemp("jupyter") / "home", environment)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def jupyter(
    running_jupyter: JupyterServer, hub: FakeHubService, desk: Path
) -> JupyterServer:
    """A customise session of alice that saves through `hub`."""
    return running_jupyter


@pytest.fixture
def start_jupyter(
    tmp_path: Path,
) -> Iterator[Callable[[dict[str, str]], JupyterServer]]:
    """Start Jupyter servers with an environment; all end with the test."""
    servers: list[JupyterServer] = []

    def start(environment: dict[str, str]) -> JupyterServer:
        server = JupyterServer(tmp_path / f"jupyter-{len(servers)}", environment)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def start_lab(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., JupyterServer]]:
    """Start Jupyter servers with JupyterLab; all end with the module."""
    pytest.importorskip("jupyterlab", reason="needs: pip install -e '.[test]'")
    if not BUTTON.exists():
        pytest.skip(
            "needs the built extension: npm run build, pip install ./labextension"
        )
    servers: list[JupyterServer] = []

    def start(
        environment: dict[str, str],
        settings: dict[str, dict[str, Any]] | None = None,
        base: str = BASE,
    ) -> JupyterServer:
        folder = tmp_path_factory.mktemp("lab") / "home"
        all_settings = LAB_SETTINGS | (settings or {})
        server = JupyterServer(folder, environment, all_settings, base)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def running_lab(
    running_hub: FakeHubService,
    module_desk: Path,
    start_lab: Callable[..., JupyterServer],
) -> JupyterServer:
    """The server behind `lab`."""
    return start_lab(session_environment(running_hub.url, module_desk / "vnc.sock"))


@pytest.fixture
def lab(running_lab: JupyterServer, hub: FakeHubService) -> JupyterServer:
    """JupyterLab in a customise session of alice that saves through `hub`."""
    return running_lab


@pytest.fixture
def start_vnc(desk: Path) -> Iterator[Callable[[], XServer]]:
    """Start an X server on the desktop's socket; it ends with the test."""
    if shutil.which("Xvnc") is None:
        pytest.skip("needs Xvnc: apt install tigervnc-standalone-server")
    servers: list[XServer] = []

    def start() -> XServer:
        servers.append(XServer(desk / "vnc.sock"))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def vnc(start_vnc: Callable[[], XServer]) -> XServer:
    """An X server that shows its root window."""
    return start_vnc()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser."""
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium: apt install chromium")
    if not PAGE.exists():
        pytest.skip("needs the built page: cd labextension && npm ci && npm run build")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
    )
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(CHROMIUM), args=CHROMIUM_FLAGS
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address in a browser of its own; a script error fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_address(
        url: str, *, width: int = 1100, height: int = 700, locale: str = "en-US"
    ) -> Page:
        viewport: Any = {"width": width, "height": height}
        context = chromium.new_context(viewport=viewport, locale=locale)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_address
    for context in contexts:
        context.close()
    assert not errors
