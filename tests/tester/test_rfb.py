"""The RFB client, on a display that plays tricks and on a real Xvnc."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from start_tester.errors import StartError
from start_tester.picture import colours, image_of
from start_tester.rfb import Rfb
from tests.fakes.display import SIZE, FakeDisplay, painted, plain
from tests.session.xserver import XServer


@asynccontextmanager
async def connected(socket: Path) -> AsyncIterator[Rfb]:
    """Connect to a display without a websocket between."""
    reader, writer = await asyncio.open_unix_connection(socket)

    async def write(data: bytes) -> None:
        writer.write(data)

    yield Rfb(reader.readexactly, write)
    writer.close()


async def test_the_pixels_are_where_they_belong(tmp_path: Path) -> None:
    display = FakeDisplay(plain(), painted())
    async with display.listening(tmp_path / "s"), connected(tmp_path / "s") as rfb:
        await rfb.begin()
        assert colours(image_of(await rfb.screen())) == 1
        image = image_of(await rfb.screen())
    assert image.size == SIZE
    # Red grows to the right, green downwards.
    assert image.getpixel((0, 0)) == (0, 0, 0)
    assert image.getpixel((319, 0)) == (254, 0, 0)
    assert image.getpixel((0, 199)) == (0, 253, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"greeting": b"HTTP/1.1 400"}, "does not speak RFB"),
        ({"security": b"\x01\x02"}, "asks for a password"),
        ({"size": (65535, 65535)}, "65535 x 65535 pixels"),
        ({"size": (0, 0)}, "0 x 0 pixels"),
        ({"size": (10, 10)}, "rectangle"),
    ],
)
async def test_what_is_no_display_is_told(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    display = FakeDisplay(plain())
    vars(display).update(change)
    async with display.listening(tmp_path / "s"), connected(tmp_path / "s") as rfb:
        with pytest.raises(StartError, match=words) as caught:
            await rfb.begin()
            await rfb.screen()
    assert caught.value.code == "display"


@pytest.mark.skipif(not shutil.which("Xvnc"), reason="needs: apt install Xvnc")
async def test_a_real_server_without_a_session_is_empty(tmp_path: Path) -> None:
    server = XServer(tmp_path / "s")
    try:
        async with connected(server.socket) as rfb:
            await rfb.begin()
            image = image_of(await rfb.screen())
    finally:
        server.stop()
    assert image.size == (1024, 600)
    assert colours(image) == 2
