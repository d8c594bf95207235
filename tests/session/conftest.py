"""Fixtures of the session's tests.

hub        a fake hub service (tests/fakes/hub_service.py), for one test
jupyter    a real Jupyter server with our extension that saves through `hub`
vnc        a real Xvnc on a socket (skips without tigervnc-standalone-server)
open_page  opens the desktop page in a real Chromium (skips without it)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.hub_service import FakeHubService

from .server import JupyterServer, session_environment

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def hub() -> Iterator[FakeHubService]:
    """A hub service of this test's own."""
    with FakeHubService().running() as fake:
        yield fake


@pytest.fixture
def start_jupyter(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], JupyterServer]]:
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


@pytest.fixture
def jupyter(
    hub: FakeHubService, start_jupyter: Callable[[dict[str, str]], JupyterServer], tmp_path: Path
) -> JupyterServer:
    """A customise session of alice that saves through `hub`."""
    return start_jupyter(session_environment(hub.url, tmp_path / "vnc.sock"))


@pytest.fixture
def vnc(tmp_path: Path) -> Iterator[Path]:
    """The socket of an X server that shows its plain root window."""
    if shutil.which("Xvnc") is None:
        pytest.skip("needs Xvnc: apt install tigervnc-standalone-server")
    socket = tmp_path / "vnc.sock"
    read, write = os.pipe()
    command = ["Xvnc", "-displayfd", str(write), "-rfbunixpath", str(socket), "-rfbport", "-1"]
    command += ["-SecurityTypes", "None", "-geometry", "1024x600", "-depth", "24", "-br"]
    command += ["-nolisten", "tcp", "-AcceptSetDesktopSize", "-AlwaysShared"]
    with subprocess.Popen(
        command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        os.close(write)
        with os.fdopen(read) as display:
            os.environ["TEST_DISPLAY"] = ":" + display.readline().strip()
        deadline = time.monotonic() + 20
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield socket
        server.terminate()
