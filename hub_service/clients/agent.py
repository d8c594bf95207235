"""The only client of the snapshot agents."""

from pathlib import Path
from typing import Any

import httpx

from hub_service.errors import AgentError, Unavailable, sentence


class AgentClient:
    """Speaks with the agent of a node.

    - every call carries the ServiceAccount token of the file as it is now: Kubernetes
      renews it there
    - raises Unavailable when the agent does not answer, AgentError when it refuses
    """

    def __init__(self, http: httpx.AsyncClient, token_file: Path) -> None:
        self._http = http
        self._token_file = token_file

    async def preview(self, agent: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return what a save would take."""
        return await self._call("POST", f"{agent}/v1/preview", request)

    async def start(self, agent: str, request: dict[str, Any]) -> dict[str, Any]:
        """Begin a commit; the same id again answers the same commit."""
        return await self._call("POST", f"{agent}/v1/commits", request)

    async def status(self, agent: str, id: str) -> dict[str, Any] | None:
        """Return how far a commit is; None when this agent does not know it (any more)."""
        try:
            return await self._call("GET", f"{agent}/v1/commits/{id}")
        except AgentError as error:
            if error.code == "commit_unknown":
                return None
            raise

    async def cancel(self, agent: str, id: str) -> None:
        """End a commit; one that is unknown has ended."""
        try:
            await self._call("DELETE", f"{agent}/v1/commits/{id}")
        except AgentError as error:
            if error.code != "commit_unknown":
                raise

    async def want(
        self, agent: str, images: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Say which images should be on the node; return how far each one is."""
        reply = await self._call("PUT", f"{agent}/v1/images", {"images": images})
        return list(reply["images"])

    async def _call(
        self, method: str, url: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token_file.read_text().strip()}"}
        try:
            reply = await self._http.request(method, url, json=body, headers=headers)
            answer = reply.json() if reply.content else {}
        except (httpx.HTTPError, ValueError) as error:
            raise _unavailable(repr(error)) from error
        if reply.is_error:
            told = answer.get("error", {})
            if told.get("code", "internal_error") == "internal_error":
                # A hiccup of what it needs, the API server for one: its saves go on.
                raise _unavailable(told.get("message", f"HTTP {reply.status_code}"))
            raise AgentError(
                told.get("code", "internal_error"),
                # Braces of a path are no places to fill: no values are given here.
                told.get("message", f"HTTP {reply.status_code}"),
                details=told.get("details") or {},
            )
        return dict(answer)


def _unavailable(why: str) -> Unavailable:
    return Unavailable(
        "agent_unavailable",
        sentence(
            "The program that reads desktops does not answer on this desktop's machine. "
            "Your desktop is unharmed. Try again in a minute."
        ),
        details={"why": why},
    )
