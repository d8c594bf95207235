"""Requests to one registry: authorization, redirects, timeouts, attempts, errors."""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from .auth import Authorizer, Credentials, challenges_of
from .errors import (
    DigestMismatch,
    RegistryError,
    RegistryRefused,
    RegistryRejected,
    RegistryUnavailable,
)

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
# A registry on object storage copies the whole blob before it answers the closing PUT.
UPLOAD_TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=600.0)
LONGEST_PAUSE = 20.0
REDIRECTS = 5
CHUNK = 1024 * 1024


class Transport:
    """Sends requests to one registry and wraps what the HTTP library raises.

    - a redirect or a Location is followed to the registry itself and to allowed hosts only,
      and the credentials are never sent to another host than the registry's;
    - a 401 is answered twice for each request: a new token may have run out, too, when the
      registry has just thrown all of them away;
    - answers below 500, except 401, 403 and 429, are given back for the caller to judge.
    """

    def __init__(
        self,
        url: str,
        http: httpx.AsyncClient,
        *,
        credentials: Credentials | None,
        redirect_hosts: tuple[str, ...],
        attempts: int,
        backoff: float,
    ) -> None:
        self.url = httpx.URL(url)
        self.attempts = attempts
        self._http = http
        self._redirect_hosts = redirect_hosts
        self._backoff = backoff
        self._authorizer = Authorizer(http, self.url, credentials)

    async def request(
        self,
        method: str,
        path: str,
        *,
        scopes: frozenset[str] = frozenset(),
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        attempts: int | None = None,
        limit: int | None = None,
        refusable: bool = False,
    ) -> httpx.Response:
        """One request with a small body, read whole; tried again when the failure may pass."""
        last = attempts or self.attempts
        for attempt in range(1, last + 1):
            try:
                async with self.open(
                    method, path, scopes, content, headers
                ) as response:
                    await _read(response, limit)
                    check(response, f"{method} {path.partition('?')[0]}", refusable)
                    return response
            except RegistryError as error:
                if not isinstance(error, RegistryUnavailable) or attempt == last:
                    raise
            await self.pause(attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    @asynccontextmanager
    async def stream(
        self, path: str, scopes: frozenset[str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of a GET, byte for byte; a break while reading is RegistryUnavailable."""
        # Compressed on the way, the bytes would not be those of the digest.
        headers = {"Accept-Encoding": "identity"}
        async with self.open("GET", path, scopes, headers=headers) as response:
            if response.status_code != 200:
                await response.aread()
                check(response, f"GET {path}")
                raise rejected(response, f"GET {path}")
            yield self._body(response)

    async def _body(self, response: httpx.Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_raw(CHUNK):
                yield chunk
        except httpx.HTTPError as error:
            # Named here: in a copy these errors come up inside a request to another registry.
            raise RegistryUnavailable(
                f"{self.url.host} stopped: {_why(error)}"
            ) from error

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        scopes: frozenset[str],
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> AsyncIterator[httpx.Response]:
        """One exchange; redirects of GET and HEAD and 401 are dealt with here."""
        replayable = content is None or isinstance(content, bytes)
        url, answered = self.url.join(path), 0
        try:
            for _ in range(REDIRECTS):
                request = self._http.build_request(
                    method,
                    url,
                    content=content,
                    headers=dict(headers or {}),
                    timeout=timeout,
                )
                response = await self._send(request, scopes)
                try:
                    if response.status_code == 401 and replayable and answered < 2:
                        answered += 1
                        if await self.renew(response, scopes):
                            continue
                    if response.has_redirect_location and method in ("GET", "HEAD"):
                        url = self.allowed(location_of(response))
                        continue
                    yield response
                    return
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise RegistryUnavailable(
                f"{self.url.host} did not answer: {_why(error)}"
            ) from error
        raise RegistryRejected(f"{self.url.host} redirects in circles")

    async def _send(
        self, request: httpx.Request, scopes: frozenset[str]
    ) -> httpx.Response:
        self._authorize(request, scopes)
        return await self._http.send(request, stream=True, follow_redirects=False)

    async def renew(self, response: httpx.Response, scopes: frozenset[str]) -> bool:
        """After a 401: get a new token for the next try."""
        return await self._authorizer.answer(challenges_of(response), scopes)

    def allowed(self, url: httpx.URL) -> httpx.URL:
        """`url` when we may go there, with the registry's own scheme; RegistryRejected when not."""
        if url.host == self.url.host and url.port in (self.url.port, None):
            # Registries behind a TLS proxy often write http:// into their Locations.
            return url.copy_with(scheme=self.url.scheme, port=self.url.port)
        named = (url.host, f"{url.host}:{url.port}" if url.port else url.host)
        known = any(
            fnmatch.fnmatchcase(name, glob)
            for name in named
            for glob in self._redirect_hosts
        )
        if known and (url.scheme == "https" or url.scheme == self.url.scheme == "http"):
            return url
        raise RegistryRejected(
            f"{self.url.host} sends us to {url.host}, which is not allowed"
        )

    async def pause(self, attempt: int) -> None:
        """Wait before the attempt after `attempt`, longer each time."""
        await asyncio.sleep(min(self._backoff * 2 ** (attempt - 1), LONGEST_PAUSE))

    def _authorize(self, request: httpx.Request, scopes: frozenset[str]) -> None:
        same = (request.url.host, request.url.port) == (self.url.host, self.url.port)
        header = self._authorizer.header(scopes) if same else None
        if header is not None:
            request.headers["Authorization"] = header


def location_of(response: httpx.Response, location: str | None = None) -> httpx.URL:
    """Where a response points, absolute; its query is kept exactly as the registry wrote it."""
    target = location if location is not None else response.headers.get("location")
    if not target:
        raise RegistryRejected("the registry opened an upload without saying where")
    return response.request.url.join(target)


def check(response: httpx.Response, what: str, refusable: bool = False) -> None:
    """Raise for the answers that no caller can do anything with."""
    status = response.status_code
    if status >= 500 or status == 429:
        raise RegistryUnavailable(
            f"{response.request.url.host} answered {status} to {what}", status=status
        )
    if status in (401, 403) and not refusable:
        raise RegistryRefused(
            f"{response.request.url.host} does not allow {what} with these credentials",
            status=status,
            code=error_code(response),
        )


def check_digest(response: httpx.Response, digest: str, what: str) -> None:
    """DigestMismatch when a registry says that it has kept something else than was sent."""
    said = response.headers.get("Docker-Content-Digest", digest)
    # Another algorithm's digest cannot be compared, and says nothing wrong.
    if said != digest and said.partition(":")[0] == digest.partition(":")[0]:
        raise DigestMismatch(
            f"{what}: the registry has {said[:100]}, not what was sent"
        )


def rejected(response: httpx.Response, what: str) -> RegistryRejected:
    """The error for an answer that the protocol does not foresee."""
    code = error_code(response)
    told = f" ({code})" if code else ""
    return RegistryRejected(
        f"{response.request.url.host} answered {response.status_code}{told} to {what}",
        status=response.status_code,
        code=code,
    )


def error_code(response: httpx.Response) -> str:
    """The protocol's error code, such as DIGEST_INVALID, or nothing."""
    try:
        return str(response.json()["errors"][0]["code"])[:100]
    except (ValueError, LookupError, TypeError, httpx.ResponseNotRead):
        return ""


async def _read(response: httpx.Response, limit: int | None) -> None:
    length = int(response.headers.get("content-length", 0) or 0)
    if limit is not None and response.request.method != "HEAD" and length > limit:
        raise RegistryRejected(f"the answer is larger than {limit} bytes")
    await response.aread()
    if limit is not None and len(response.content) > limit:
        raise RegistryRejected(f"the answer is larger than {limit} bytes")


def _why(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
