"""A gateway as Kubeflow has one: it knows who is logged in, and forwards by the path.

- `kubeflow-userid` is what it says, whatever came with the request; a token of the login, which
  means nothing to anybody behind it, goes along
- other headers are added on the one route that they belong to
"""

import asyncio
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import (
    ClientConnectionError,
    ClientSession,
    ClientTimeout,
    WSMsgType,
    web,
)

USER, PROOF = "kubeflow-userid", "x-desktops-gateway"
COOKIE = "session"
# Of one connection each, or made anew by who sends.
OWN = ("connection", "keep-alive", "transfer-encoding", "upgrade", "content-length")


Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Route:
    """Where a path leads."""

    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Gateway:
    """`with gateway.running():` listens on `url`; routes may be added at any time."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self._people: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self.url = ""

    def login(self, user: str) -> dict[str, str]:
        """Log a person in; return the cookie of their browser."""
        value = uuid.uuid4().hex
        self._people[value] = user
        return {"name": COOKIE, "value": value, "url": self.url}

    @contextmanager
    def running(self) -> Iterator["Gateway"]:
        """Serve until the end of the block."""
        started = threading.Event()
        thread = threading.Thread(target=self._serve, args=(started,))
        thread.start()
        assert started.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(30)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._loop.call_soon(started.set)
        self._loop.run_forever()
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _open(self) -> None:
        self._http = ClientSession(
            auto_decompress=False, timeout=ClientTimeout(total=None)
        )
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._forward)
        # Streams of events are cut at the end, not waited for.
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._http.close()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        user = self._people.get(request.cookies.get(COOKIE, ""))
        if user is None:
            return web.Response(status=401, text="Log in first.")
        paths = [path for path in self.routes if request.path.startswith(path)]
        if not paths:
            return web.Response(status=404, text="No route leads there.")
        route = self.routes[max(paths, key=len)]
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in (*OWN, USER, PROOF, "authorization")
        ]
        headers += [(USER, user), ("Authorization", "Bearer of-the-login")]
        headers += route.headers.items()
        url = route.target + str(request.rel_url)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._connect(request, url, headers)
        return await self._ask(request, url, headers)

    async def _ask(
        self, request: web.Request, url: str, headers: Headers
    ) -> web.StreamResponse:
        body = await request.read()
        try:
            async with self._http.request(
                request.method,
                url,
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as reply:
                kept = [
                    (name, value)
                    for name, value in reply.headers.items()
                    if name.lower() not in OWN
                ]
                answer = web.StreamResponse(status=reply.status)
                answer.headers.extend(kept)
                await answer.prepare(request)
                async for piece in reply.content.iter_any():
                    await answer.write(piece)
                return answer
        except ClientConnectionError:
            return web.Response(status=502, text="Nobody answers there.")

    async def _connect(
        self, request: web.Request, url: str, headers: Headers
    ) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [one.strip() for one in offered.split(",") if one.strip()]
        kept = [
            (name, value)
            for name, value in headers
            if not name.lower().startswith("sec-websocket")
        ]
        async with self._http.ws_connect(
            url, headers=kept, protocols=protocols, max_msg_size=0
        ) as there:
            here = web.WebSocketResponse(
                protocols=[there.protocol] if there.protocol else (), max_msg_size=0
            )
            await here.prepare(request)
            both = [
                asyncio.ensure_future(_copy(here, there)),
                asyncio.ensure_future(_copy(there, here)),
            ]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await here.close()
        return here


async def _copy(source: Any, target: Any) -> None:
    """Send on what comes from one end of a websocket to the other's."""
    async for message in source:
        if message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
