"""How api asks the other half of the agent: HTTP over a unix socket, and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import httpx

from oci.auth import Credentials
from oci.reference import Digest
from snapshot_agent import wire
from snapshot_agent.errors import AgentError, CaptureAway, told
from snapshot_agent.wire import (
    BaseRecord,
    CaptureRequest,
    Event,
    Look,
    Malformed,
    Place,
)

# Listing what was changed reads a million directories at worst.
_PATIENCE = 300.0
# Of a capture under way something is heard several times a second.
_SILENCE = 30.0
# Letting go of a desktop is tried for a minute.
_LETTING_GO = 90.0
_PULL = 3600.0
_CONNECT = 5.0


class CaptureClient:
    """The verbs of the capture half.

    - a refusal is the AgentError that it was there;
    - CaptureAway, when nobody answers or what comes is not what that half says.
    """

    def __init__(self, socket: str) -> None:
        # Connections are not kept: one that a half has left behind would fail the next request.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket, limits=limits),
            base_url="http://capture",
            timeout=httpx.Timeout(_PATIENCE, connect=_CONNECT),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def check(self) -> None:
        """Nothing, when that half is there."""
        await self._call("GET", "/v1/health", timeout=_CONNECT)

    async def find(self, place: Place) -> None:
        await self._call("POST", "/v1/find", {"place": asdict(place)})

    async def base(self, place: Place) -> BaseRecord:
        answer = await self._call("POST", "/v1/base", {"place": asdict(place)})
        try:
            return wire.record(answer)
        except Malformed as error:
            raise CaptureAway(str(error)) from error

    async def preview(self, look: Look) -> dict[str, Any]:
        return await self._call("POST", "/v1/preview", asdict(look))

    async def blob_size(self, place: Place, digest: Digest) -> int | None:
        body = {"place": asdict(place), "digest": digest}
        return _size(await self._call("POST", "/v1/blob/size", body))

    @asynccontextmanager
    async def blob(
        self, place: Place, digest: Digest
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """A blob of the image below a container as a stream; whoever reads it checks it."""
        body = {"place": asdict(place), "digest": digest}
        async with self._stream("/v1/blob", body) as answer:
            yield _pieces(answer)

    @asynccontextmanager
    async def capture(
        self, request: CaptureRequest
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Have a desktop read into the spool; the files are there until the end of the block.

        When the block has ended, the desktop runs and nothing of it is left.
        """
        try:
            async with self._stream(
                "/v1/captures", asdict(request), _SILENCE
            ) as answer:
                yield _events(answer)
        finally:
            await self._drop(request.id)

    async def image_size(self, reference: str) -> int | None:
        body = {"reference": reference}
        return _size(await self._call("POST", "/v1/images/size", body))

    async def pull(self, reference: str, credentials: Credentials | None) -> None:
        """Have the node fetch an image; the credentials are not kept there."""
        body = {"reference": reference}
        if credentials:
            body |= {
                "username": credentials.username,
                "password": credentials.password,
            }
        await self._call("POST", "/v1/images/pull", body, timeout=_PULL)

    async def disk(self) -> tuple[int, int]:
        """Free and total bytes of the disk that holds the images."""
        answer = await self._call("GET", "/v1/disk")
        return int(answer.get("free", 0)), int(answer.get("total", 1))

    async def _drop(self, capture_id: str) -> None:
        try:
            await self._call(
                "POST", "/v1/captures/drop", {"id": capture_id}, timeout=_LETTING_GO
            )
        except AgentError:
            # It ended with its process; the next one cleans up before it listens.
            return

    async def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        timeout: float = _PATIENCE,
    ) -> dict[str, Any]:
        patience = httpx.Timeout(timeout, connect=_CONNECT)
        try:
            answer = await self._http.request(
                method, path, content=_json(body), timeout=patience
            )
            content = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise CaptureAway(type(error).__name__) from error
        if answer.is_error:
            raise _refusal(answer.status_code, content)
        if not isinstance(content, dict):
            raise CaptureAway("no object")
        return content

    @asynccontextmanager
    async def _stream(
        self, path: str, body: dict[str, Any], silence: float = _PATIENCE
    ) -> AsyncIterator[httpx.Response]:
        patience = httpx.Timeout(silence, connect=_CONNECT)
        sending = self._http.build_request(
            "POST", path, content=_json(body), timeout=patience
        )
        try:
            answer = await self._http.send(sending, stream=True)
        except httpx.HTTPError as error:
            raise CaptureAway(type(error).__name__) from error
        try:
            if answer.is_error:
                raise _refusal(answer.status_code, await _content(answer))
            yield answer
        finally:
            await answer.aclose()


def _json(body: dict[str, Any] | None) -> bytes | None:
    # In ASCII: paths may hold what is no text, and UTF-8 does not take that.
    return None if body is None else json.dumps(body).encode("ascii")


async def _content(answer: httpx.Response) -> Any:
    try:
        return json.loads(await answer.aread())
    except (httpx.HTTPError, ValueError) as error:
        raise CaptureAway(type(error).__name__) from error


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_bytes():
            yield piece
    except httpx.HTTPError as error:
        raise CaptureAway(type(error).__name__) from error


async def _events(answer: httpx.Response) -> AsyncIterator[Event]:
    try:
        async for line in answer.aiter_lines():
            yield wire.event(json.loads(line))
    except (httpx.HTTPError, ValueError, Malformed) as error:
        raise CaptureAway(type(error).__name__) from error
    raise CaptureAway("it ended before it was taken")


def _refusal(status: int, content: Any) -> AgentError:
    try:
        return told(dict(content["error"]) | {"status": status})
    except (LookupError, TypeError, ValueError):
        return CaptureAway(f"HTTP {status}")


def _size(answer: dict[str, Any]) -> int | None:
    size = answer.get("size")
    return size if isinstance(size, int) else None
