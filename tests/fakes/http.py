"""A Tornado application on a free port of the loopback, for the fakes that speak JSON."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


class JsonHandler(RequestHandler):
    """Reads and writes JSON, and knows the fake that it belongs to."""

    def initialize(self, fake: Any) -> None:
        """Take the fake."""
        self.fake = fake

    @property
    def body(self) -> Any:
        """The request's JSON."""
        return json.loads(self.request.body) if self.request.body else None

    def answer(self, status: int, body: Any = None) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body) if body is not None else None)


@asynccontextmanager
async def serving(routes: list[Any]) -> AsyncIterator[str]:
    """Serve an application until the end of the block; give its address."""
    server = HTTPServer(Application(routes, log_function=lambda handler: None))
    [socket] = bind_sockets(0, "127.0.0.1")
    server.add_socket(socket)
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.stop()
        await server.close_all_connections()
