"""The whole test, on a real desktop's server: jupyterhub-singleuser with our extension.

The tester plays its hub, as in the pod. What is behind the server's websocket is a display that a
test chooses.
"""

import asyncio
import base64
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tornado.websocket import WebSocketClosedError

from start_tester.connection import reason_of
from start_tester.settings import Settings
from tests.fakes.display import FakeDisplay, painted, plain

pytest.importorskip(
    "jupyter_desktop_save", reason="needs: pip install -e ./labextension"
)
PREFIX = "/user/start-test/"


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def running(
    *command: str, environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the end of the block."""
    clean = {key: value for key, value in os.environ.items() if "JUPYTER" not in key}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *command,
        env={**clean, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def tried(
    folder: Path, *, seconds: int, server: bool = True
) -> list[dict[str, Any]]:
    """Run the tester as its container does, beside a desktop's server; return what it tells."""
    port, hub = free_port(), free_port()
    shared = {
        "JUPYTERHUB_API_TOKEN": "made-for-this-test",
        "JUPYTERHUB_API_URL": f"http://127.0.0.1:{hub}/hub/api",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
    }
    desktop = {
        **shared,
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_USER": "start-test",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-start-test",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!user=start-test"]',
        "DESKTOP_VNC_SOCKET": str(folder / "vnc.sock"),
        "HOME": str(folder),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
    }
    tester = {
        **shared,
        "START_TEST_SECONDS": str(seconds),
        "START_TEST_PORTS": f"{port} {hub}",
    }
    options = [] if os.getuid() else ["--allow-root"]
    single = ("jupyterhub.singleuser", *options) if server else ("http.server", "0")
    async with (
        running(*single, environment=desktop),
        running("start_tester", environment=tester) as process,
    ):
        async with asyncio.timeout(seconds + 60):
            output, _ = await process.communicate()
    lines = [json.loads(line) for line in output.splitlines()]
    assert process.returncode == ("error" in lines[-1])
    return lines


async def test_a_desktop_that_is_painted_late_comes_up(tmp_path: Path) -> None:
    display = FakeDisplay(plain(), plain(), painted(40), painted(140), painted(240))
    async with display.listening(tmp_path / "vnc.sock"):
        *log, last = await tried(tmp_path, seconds=60)
    result = last["result"]
    assert result["colours"] > 20
    assert 1 < result["seconds"] < 60
    text = "".join(line["log"] for line in log)
    assert "the desktop page answers" in text and "The screen stays empty" in text
    assert result["picture"]["media_type"] == "image/webp"
    data = base64.b64decode(result["picture"]["data"])
    picture = Image.open(BytesIO(data))
    assert picture.size == (320, 200)
    # It waited until nothing moved any more: the last picture is the bluest.
    colour = picture.convert("RGB").getpixel((300, 10))
    assert isinstance(colour, tuple) and colour[2] > 200 and len(data) < 20_000


async def test_an_empty_screen_is_no_desktop(tmp_path: Path) -> None:
    async with FakeDisplay(plain()).listening(tmp_path / "vnc.sock"):
        *_, last = await tried(tmp_path, seconds=12)
    assert last["error"]["code"] == "blank"
    assert last["error"]["details"]["colours"] == 1


async def test_a_page_without_a_display_is_no_desktop(tmp_path: Path) -> None:
    *_, last = await tried(tmp_path, seconds=12)
    assert last["error"]["code"] == "display"


async def test_a_server_that_never_comes_is_no_desktop(tmp_path: Path) -> None:
    *told, last = await tried(tmp_path, seconds=2, server=False)
    assert last["error"]["code"] == "page"
    why = "The desktop page does not answer: no connection: nothing listens there yet"
    assert last["error"]["message"] == last["error"]["details"]["why"] == why
    [line] = [one["log"] for one in told]
    assert line.endswith(f"not yet: {why}\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ConnectionRefusedError(111, "Connection refused"),
            "nothing listens there yet",
        ),
        (TimeoutError(), "no answer within 10 s"),
        (OSError(113, "No route to host"), "no route to host"),
        (ConnectionError("the display closed"), "the display closed"),
        (WebSocketClosedError(), "WebSocketClosedError"),
    ],
)
def test_a_failed_attempt_is_told_in_words(error: Exception, words: str) -> None:
    assert reason_of(error) == words


def test_the_settings_are_what_the_job_says() -> None:
    settings = Settings.read(
        {"JUPYTERHUB_API_TOKEN": "t", "JUPYTERHUB_SERVICE_PREFIX": PREFIX}
    )
    assert settings.page == "http://127.0.0.1:8888/user/start-test/desktop/"
    assert settings.display == "ws://127.0.0.1:8888/user/start-test/desktop-vnc/"
    assert settings.seconds == 120
