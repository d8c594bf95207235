"""The desktop's page and its display, over HTTP on the loopback."""

import asyncio

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from start_tester.settings import Settings

TIMEOUT = 10.0
"""Seconds for one request: whoever does not answer is asked again."""
LARGEST_MESSAGE = 64 << 20


async def page_status(settings: Settings) -> str:
    """Ask for the desktop page; return "" when it answers well, else what came instead."""
    request = HTTPRequest(
        settings.page,
        headers=_headers(settings),
        follow_redirects=False,
        request_timeout=TIMEOUT,
        connect_timeout=TIMEOUT,
    )
    try:
        reply = await AsyncHTTPClient().fetch(request, raise_error=False)
    except OSError as error:
        return f"no connection: {reason_of(error)}"
    if reply.code != 200:
        return f"status {reply.code}: {reply.reason}"
    kind = reply.headers.get("Content-Type", "")
    return "" if kind.startswith("text/html") else f"{kind} instead of a page"


def reason_of(error: Exception) -> str:
    """Return what a failed attempt means: people who wait know no numbers of errors."""
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there yet"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


class DisplayConnection:
    """The bytes of a display, out of the messages of a websocket."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._rest = bytearray()

    @classmethod
    async def open(cls, settings: Settings) -> "DisplayConnection":
        """Connect, or raise what tornado or the system raises."""
        request = HTTPRequest(
            settings.display, headers=_headers(settings), connect_timeout=TIMEOUT
        )
        # jupyter-server-proxy sends a socket's bytes under this name, as websockify does.
        socket = await websocket_connect(
            request, subprotocols=["binary"], max_message_size=LARGEST_MESSAGE
        )
        return cls(socket)

    async def read(self, count: int) -> bytes:
        """Return exactly so many bytes, or raise ConnectionError when no more come."""
        while len(self._rest) < count:
            async with asyncio.timeout(TIMEOUT):
                message = await self._socket.read_message()
            if message is None:
                raise ConnectionError("the display closed the connection")
            self._rest += message.encode() if isinstance(message, str) else message
        data = bytes(self._rest[:count])
        del self._rest[:count]
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        await self._socket.write_message(data, binary=True)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"token {settings.token}"}
