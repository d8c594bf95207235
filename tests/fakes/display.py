"""A VNC server on a unix socket that shows one picture, after some looks at something else."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SIZE = (320, 200)
# As TigerVNC greets: 16 bits of red, green and blue each, little-endian.
FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


def plain() -> bytes:
    """One colour."""
    return b"\x20\x20\x20\x00" * (SIZE[0] * SIZE[1])


def painted(seed: int = 0) -> bytes:
    """Many colours: red grows to the right, green downwards; blue is the seed."""
    width, height = SIZE
    return b"".join(
        bytes((seed, 255 * y // height, 255 * x // width, 0))
        for y in range(height)
        for x in range(width)
    )


class FakeDisplay:
    """Shows its pictures one after the other, the last one for ever.

    Before each it rings the bell and sends a clipboard, as servers may at any time; it sends two
    rectangles, the lower half first.
    """

    def __init__(self, *pictures: bytes) -> None:
        self.pictures = list(pictures)
        self.greeting = b"RFB 003.008\n"
        self.security = b"\x01\x01"
        self.size = SIZE

    @asynccontextmanager
    async def listening(self, socket: Path) -> AsyncIterator[None]:
        """Answer on the socket until the end of the block."""
        server = await asyncio.start_unix_server(self._serve, socket)
        try:
            yield
        finally:
            server.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await self._greet(reader, writer)
            while True:
                kind = (await reader.readexactly(1))[0]
                if kind == 0:
                    await reader.readexactly(19)
                elif kind == 2:
                    _, count = struct.unpack(">BH", await reader.readexactly(3))
                    await reader.readexactly(4 * count)
                elif kind == 3:
                    await reader.readexactly(9)
                    self._show(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(self.greeting)
        await reader.readexactly(12)
        writer.write(self.security)
        await reader.readexactly(1)
        writer.write(b"\x00\x00\x00\x00")
        await reader.readexactly(1)
        name = b"fake"
        writer.write(struct.pack(">HH", *self.size) + FORMAT)
        writer.write(struct.pack(">I", len(name)) + name)

    def _show(self, writer: asyncio.StreamWriter) -> None:
        picture = self.pictures.pop(0) if len(self.pictures) > 1 else self.pictures[0]
        width, height = SIZE
        half = height // 2
        writer.write(b"\x02" + struct.pack(">B3xI", 3, 4) + b"text")
        writer.write(struct.pack(">BxH", 0, 2))
        for top, bottom in ((half, height), (0, half)):
            writer.write(struct.pack(">HHHHi", 0, top, width, bottom - top, 0))
            writer.write(picture[4 * width * top : 4 * width * bottom])
