"""The part of JupyterHub's API that hub_service uses, as a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from tests.fakes.http import JsonHandler, serving

ACCESS = "access:services!service=desktops"
READ, WRITE = "custom:desktops:read", "custom:desktops:write"
SAVE = "custom:desktops:save"
ADMIN = "custom:desktops:admin"


class FakeHub:
    """People, their tokens and their servers; tests change them while it runs."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.stopped: list[tuple[str, str]] = []
        self.active: list[tuple[str, dict[str, Any]]] = []
        self.down = False

    def add_user(self, name: str, *scopes: str, groups: tuple[str, ...] = ()) -> str:
        """Make a user with a token that holds these scopes besides access; return the token."""
        token = f"token-of-{name}"
        model = {"kind": "user", "name": name, "groups": list(groups), "admin": False}
        self.tokens[token] = {**model, "scopes": [ACCESS, *scopes]}
        self.users[name] = {"name": name, "groups": list(groups), "servers": {}}
        return token

    def add_server(self, user: str, name: str = "", **fields: Any) -> None:
        """Let a server of a user run."""
        self.users[user]["servers"][name] = {
            "name": name,
            "ready": True,
            "started": "2026-11-20T12:00:00.000000Z",
            "url": f"/user/{user}/{name}",
            "user_options": {},
            **fields,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve until the end of the block; give the address of the API."""
        fake = {"fake": self}
        routes = [
            ("/hub/api/user", SelfHandler, fake),
            ("/hub/api/users/([^/]+)", UserHandler, fake),
            ("/hub/api/users/([^/]+)/server", ServerHandler, fake),
            ("/hub/api/users/([^/]+)/servers/([^/]+)", ServerHandler, fake),
            ("/hub/api/users/([^/]+)/activity", ActivityHandler, fake),
        ]
        async with serving(routes) as address:
            yield f"{address}/hub/api"


class HubHandler(JsonHandler):
    """Answers 503 while the hub is down."""

    fake: FakeHub

    def prepare(self) -> None:
        """Be down."""
        if self.fake.down:
            self.answer(503, {"message": "down"})


class SelfHandler(HubHandler):
    """Whose token this is."""

    def get(self) -> None:
        """Return the owner's model."""
        token = self.request.headers.get("Authorization", "").rpartition(" ")[2]
        model = self.fake.tokens.get(token)
        self.answer(200 if model else 403, model or {"message": "unknown token"})


class UserHandler(HubHandler):
    """A user."""

    def get(self, name: str) -> None:
        """Return the user's model."""
        model = self.fake.users.get(unquote(name))
        self.answer(200 if model else 404, model or {"message": "no such user"})


class ServerHandler(HubHandler):
    """A server of a user."""

    def delete(self, user: str, name: str = "") -> None:
        """Stop it."""
        self.fake.stopped.append((unquote(user), unquote(name)))
        servers = self.fake.users[unquote(user)]["servers"]
        self.answer(204 if servers.pop(unquote(name), None) else 404)


class ActivityHandler(HubHandler):
    """What a user does."""

    def post(self, user: str) -> None:
        """Note it."""
        self.fake.active.append((unquote(user), self.body))
        self.answer(200, {})
