"""As much of RFB (RFC 6143) as a picture of the screen needs: one encoding, no input.

asyncvnc and vncdotool were looked at: both want a TCP connection of their own, bring numpy with
cryptography or Twisted, and have had no release for years. This is four messages.
"""

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from start_tester.errors import StartError

Read = Callable[[int], Awaitable[bytes]]
"""Returns exactly so many bytes."""
Write = Callable[[bytes], Awaitable[None]]

VERSION = b"RFB 003.008\n"
NO_SECURITY = 1
RAW = 0
LARGEST = 7680 * 4320
"""Pixels; a screen larger than 8K is no screen but an attack on our memory."""
MESSAGE_LIMIT = 1 << 20
# 32 bits a pixel, little-endian, true colour: blue, green, red, nothing.
PIXELS = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
MODE = "BGRX"


@dataclass(frozen=True)
class Screen:
    """What a display shows, in pixels of MODE."""

    width: int
    height: int
    data: bytes


class Rfb:
    """A connection to a display."""

    def __init__(self, read: Read, write: Write) -> None:
        self._read = read
        self._write = write
        self._width = self._height = 0

    async def begin(self) -> None:
        """Agree on the protocol, and on how pixels are written."""
        greeting = await self._read(len(VERSION))
        if not greeting.startswith(b"RFB "):
            raise _odd("it does not speak RFB")
        await self._write(VERSION)
        offered = await self._read((await self._read(1))[0])
        if NO_SECURITY not in offered:
            raise _odd("it asks for a password")
        await self._write(bytes([NO_SECURITY]))
        if any(await self._read(4)):
            raise _odd("it refuses us")
        await self._write(b"\x01")
        width, height = struct.unpack(">HH16x", await self._read(20))
        await self._skip(*struct.unpack(">I", await self._read(4)))
        self._resize(width, height)
        await self._write(b"\x00\x00\x00\x00" + PIXELS)
        await self._write(struct.pack(">BxHi", 2, 1, RAW))

    async def screen(self) -> Screen:
        """Return the whole screen as it is now."""
        size = (self._width, self._height)
        await self._write(struct.pack(">BBHHHH", 3, 0, 0, 0, *size))
        while True:
            kind = (await self._read(1))[0]
            if kind == 0:
                return await self._update()
            if kind == 1:
                _, count = struct.unpack(">xHH", await self._read(5))
                await self._skip(6 * count)
            elif kind == 3:
                await self._skip(*struct.unpack(">3xI", await self._read(7)))
            elif kind != 2:
                raise _odd(f"it sends a message of kind {kind}")

    async def _update(self) -> Screen:
        _, count = struct.unpack(">BH", await self._read(3))
        row = 4 * self._width
        pixels = bytearray(row * self._height)
        for _ in range(count):
            x, y, width, height, encoding = struct.unpack(
                ">HHHHi", await self._read(12)
            )
            inside = x + width <= self._width and y + height <= self._height
            if encoding != RAW or not inside:
                raise _odd(f"it sends a rectangle in encoding {encoding}")
            data = await self._read(4 * width * height)
            for line in range(height):
                place = (y + line) * row + 4 * x
                part = data[4 * width * line : 4 * width * (line + 1)]
                pixels[place : place + 4 * width] = part
        return Screen(self._width, self._height, bytes(pixels))

    def _resize(self, width: int, height: int) -> None:
        if not 0 < width * height <= LARGEST:
            raise _odd(f"its screen has {width} x {height} pixels")
        self._width, self._height = width, height

    async def _skip(self, count: int) -> None:
        if count > MESSAGE_LIMIT:
            raise _odd(f"it sends a message of {count} bytes")
        await self._read(count)


def _odd(what: str) -> StartError:
    return StartError("display", f"The display is none of ours: {what}.")
