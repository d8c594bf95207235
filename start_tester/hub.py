"""As much of a JupyterHub as a desktop asks of one.

A desktop starts here as it does for people, with the same program: what a mode without a hub would
find is another program. It is asked by one who holds the test's token, and by nobody else.
"""

import json
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from start_tester.settings import HOST, Settings

USER = "start-test"


class HubHandler(RequestHandler):
    """Answers JSON."""

    def initialize(self, known: Settings) -> None:
        """Take the settings."""
        self.known = known

    def answer(self, model: dict[str, Any]) -> None:
        """Send a model."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(model))


class VersionHandler(HubHandler):
    """Which hub this is."""

    def get(self) -> None:
        """Answer, so that the desktop's server goes on."""
        self.answer({"version": "6.1.0"})


class SelfHandler(HubHandler):
    """Whose token this is."""

    def get(self) -> None:
        """Return the one user that there is."""
        token = self.request.headers.get("Authorization", "").rpartition(" ")[2]
        if token != self.known.token:
            self.set_status(403)
            return self.answer({"message": "unknown token"})
        scopes = ["access:servers", f"access:servers!user={USER}"]
        model = {"kind": "user", "name": USER, "groups": [], "admin": False}
        self.answer({**model, "scopes": scopes})


class ActivityHandler(HubHandler):
    """What the desktop says of itself."""

    def post(self, user: str) -> None:
        """Take it."""
        self.answer({})

    def get(self, path: str) -> None:
        """Know nothing else."""
        self.set_status(404)
        self.answer({"message": "there is nothing else here"})


def serve(settings: Settings) -> HTTPServer:
    """Answer on the loopback until the program ends."""
    more = {"known": settings}
    routes: list[Any] = [
        (r"/hub/api/?", VersionHandler, more),
        (r"/hub/api/user", SelfHandler, more),
        (r"/hub/api/(.*)", ActivityHandler, more),
    ]
    server = HTTPServer(Application(routes, log_function=lambda handler: None))
    server.listen(settings.hub_port, HOST)
    return server
