"""The only client of JupyterHub's own API."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from hub_service.errors import Unavailable, sentence
from hub_service.models import Person, Server


@dataclass(frozen=True)
class RunningServer:
    """A server of a person, as JupyterHub lists it."""

    server: Server
    ready: bool
    started: datetime | None
    url: str
    options: Mapping[str, Any]
    """What was chosen on the spawn page."""


class HubClient:
    """Asks JupyterHub about people and their servers."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"token {token}"}

    async def person(self, name: str) -> Person | None:
        """Return a user with their groups; None when there is no such user."""
        reply = await self._call("GET", f"/users/{quote(name, safe='')}")
        if reply.status_code == 404:
            return None
        return Person(name, frozenset(reply.json().get("groups", ())))

    async def servers(self, user: str) -> list[RunningServer]:
        """Return the servers of a person that run or are about to."""
        reply = await self._call("GET", f"/users/{quote(user, safe='')}")
        if reply.status_code == 404:
            return []
        return [_server(user, one) for one in reply.json().get("servers", {}).values()]

    async def stop(self, server: Server) -> None:
        """Stop a server; one that does not run is stopped already."""
        path = f"/users/{quote(server.user, safe='')}/server"
        if server.name:
            path = f"{path}s/{quote(server.name, safe='')}"
        await self._call("DELETE", path)

    async def keep_alive(self, server: Server) -> None:
        """Report activity, so that no idle culler stops a desktop while it is saved."""
        now = datetime.now(UTC).isoformat()
        await self._call(
            "POST",
            f"/users/{quote(server.user, safe='')}/activity",
            {"servers": {server.name: {"last_activity": now}}},
        )

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        try:
            reply = await self._http.request(
                method, f"{self._url}{path}", json=body, headers=self._headers
            )
            # 404: no such user or server; each caller says what that means.
            if reply.status_code != 404:
                reply.raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(
                "hub_unavailable",
                sentence(
                    "JupyterHub does not answer. Nothing was changed. Try again in a minute."
                ),
                details={"why": repr(error)},
            ) from error
        return reply


def _server(user: str, model: Mapping[str, Any]) -> RunningServer:
    started = model.get("started")
    return RunningServer(
        Server(user, model["name"]),
        ready=bool(model.get("ready")),
        started=datetime.fromisoformat(started) if started else None,
        url=model.get("url") or "",
        options=model.get("user_options") or {},
    )
