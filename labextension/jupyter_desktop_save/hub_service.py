"""The only client of the image service; the only place that has the desktop's token."""

from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from .errors import ServiceError, ServiceUnavailable

# A preview walks the tree of a desktop: some seconds when it is large and the node is busy.
_TIMEOUT = httpx.Timeout(60, connect=5)
# The service sends a comment every 25 s: two lost ones mean that nobody is there any more.
_EVENTS_TIMEOUT = httpx.Timeout(60, connect=5)

Flow = Generator[httpx.Request, httpx.Response, None]


class HubToken(httpx.Auth):
    """The token that the hub gave this server."""

    def __init__(self, token: str) -> None:
        self._header = f"token {token}"

    def auth_flow(self, request: httpx.Request) -> Flow:
        request.headers["Authorization"] = self._header
        yield request


class PodToken(httpx.Auth):
    """The token that Kubernetes bound to this pod; it writes a new one into the file every hour."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def auth_flow(self, request: httpx.Request) -> Flow:
        try:
            token = self._file.read_text().strip()
        except OSError as error:
            raise ServiceUnavailable(details={"cause": type(error).__name__}) from error
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


class HubService:
    """Requests to the image service with this desktop's token.

    - Every failure is a ServiceError: the service's own, or ServiceUnavailable.
    - The token is in no answer, no error and no log line.
    """

    def __init__(self, url: str, auth: httpx.Auth) -> None:
        self._url = url
        self._client = httpx.AsyncClient(auth=auth, timeout=_TIMEOUT)

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        language: str,
        body: dict[str, Any] | None = None,
    ) -> Any:
        """Send one request and return the answer's JSON (None when it has none)."""
        headers = {"Accept-Language": language}
        try:
            answer = await self._client.request(
                method, self._url + path, json=body, headers=headers
            )
        except httpx.HTTPError as error:
            raise ServiceUnavailable(details={"cause": type(error).__name__}) from error
        return _read(answer)

    @asynccontextmanager
    async def events(
        self, path: str, *, language: str
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream of events and give its bytes as they come.

        - A refusal raises before the first byte.
        - A stream that is cut ends like one that is over: the page asks again.
        """
        request = self._client.build_request(
            "GET",
            self._url + path,
            headers={"Accept": "text/event-stream", "Accept-Language": language},
            timeout=_EVENTS_TIMEOUT,
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise ServiceUnavailable(details={"cause": type(error).__name__}) from error
        try:
            if answer.status_code >= 400:
                await answer.aread()
                _read(answer)
            yield _until_cut(answer)
        finally:
            await answer.aclose()


async def _until_cut(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_bytes():
            yield chunk
    except httpx.HTTPError:
        return


def _read(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    try:
        error = answer.json()["error"]
        code, message = str(error["code"]), str(error["message"])
        details = dict(error.get("details") or {})
    except (ValueError, KeyError, TypeError) as broken:
        # A proxy on the way answered, or the service is of another kind: not its own words.
        raise ServiceUnavailable(details={"status": answer.status_code}) from broken
    raise ServiceError(
        status=answer.status_code, code=code, message=message, details=details
    )
