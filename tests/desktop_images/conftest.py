"""Fixtures of the desktop images.

built      builds an image and gives its reference; skips unless TEST_IMAGES names it
start      runs an image with scripts/run-image and gives the desktop; all end with the module
root_of    the files of a finished image
chromium   a real browser
served     a folder with a file
address    the file server of that folder
"""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .desktop import Desktop

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
CONTENT = b"an installer\n" * 100_000
"""What is in the file that `address` serves."""


@pytest.fixture(scope="session")
def built() -> Callable[[str], str]:
    """Build an image, and what it is made from, into buildah's store."""
    wanted = os.environ.get("TEST_IMAGES", "").split(",")
    references: dict[str, str] = {}

    def build(name: str) -> str:
        if name not in wanted:
            pytest.skip(f"minutes: TEST_IMAGES={name} builds and tries this image")
        if os.getuid() != 0 or shutil.which("buildah") is None:
            pytest.skip("needs root and buildah: scripts/install")
        if name not in references:
            command = [f"{ROOT}/scripts/build-images", "--local", name]
            references[name] = subprocess.check_output(command, text=True).strip()
        return references[name]

    return build


@pytest.fixture(scope="module")
def start(
    built: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Desktop]]:
    """Start a desktop and wait until its page answers."""
    desktops: list[Desktop] = []

    def run(name: str, **environment: str) -> Desktop:
        desktops.append(
            Desktop(built(name), name, tmp_path_factory.mktemp("run"), environment)
        )
        desktops[-1].wait_until_ready()
        return desktops[-1]

    yield run
    for desktop in desktops:
        desktop.stop()


@pytest.fixture(scope="module")
def root_of(built: Callable[[str], str]) -> Iterator[Callable[[str], Path]]:
    """Mount the files of an image."""
    containers: list[str] = []

    def mount(name: str) -> Path:
        reference = built(name)
        made = subprocess.check_output(["buildah", "from", reference], text=True)
        containers.append(made.strip())
        place = subprocess.check_output(["buildah", "mount", containers[-1]], text=True)
        return Path(place.strip())

    yield mount
    for container in containers:
        subprocess.run(["buildah", "rm", container], check=True, capture_output=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium: apt install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder that `address` serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "file").write_bytes(CONTENT)
    return folder


@pytest.fixture
def address(served: Path) -> Iterator[str]:
    """A file server on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    handler = partial(Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
