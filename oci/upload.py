"""Sending one blob: a session, one PUT with length and digest, and what to do when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import BinaryIO, Protocol

import httpx

from .errors import RegistryError, RegistryRejected
from .manifest import Descriptor
from .reference import Digest
from .transport import (
    UPLOAD_TIMEOUT,
    Transport,
    check,
    check_digest,
    location_of,
    rejected,
)

# Large enough that Python is not the bottleneck, small enough for 256 MiB of memory.
CHUNK = 512 * 1024

BlobSource = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
HeadBlob = Callable[[str, Digest], Awaitable[int | None]]


class UploadJournal(Protocol):
    """Remembers which uploads are open, for a program that may be killed in the middle of one."""

    def opened(self, repository: str, location: str) -> None: ...
    def closed(self, location: str) -> None: ...


class NoJournal:
    """Remembers nothing: the registry forgets abandoned uploads by itself, after a week or so."""

    def opened(self, repository: str, location: str) -> None:
        """Nothing to do."""

    def closed(self, location: str) -> None:
        """Nothing to do."""


class Uploader:
    """Uploads blobs in one piece.

    - one PUT and never several PATCHes: registries disagree about the latter (ECR drops all
      but the first, GHCR refuses large ones);
    - a failed attempt leaves no session behind when the registry can still be reached;
    - before another attempt it looks whether the blob has arrived all the same.
    """

    def __init__(
        self, transport: Transport, head_blob: HeadBlob, journal: UploadJournal
    ) -> None:
        self._transport = transport
        self._head_blob = head_blob
        self._journal = journal

    async def put(
        self,
        repository: str,
        descriptor: Descriptor,
        source: BlobSource,
        scopes: frozenset[str],
        progress: Callable[[int], None],
    ) -> None:
        last = self._transport.attempts
        for attempt in range(1, last + 1):
            try:
                await self._attempt(repository, descriptor, source, scopes, progress)
                return
            except RegistryError as error:
                if not error.passing or attempt == last:
                    raise
            await self._transport.pause(attempt)
            if await self._head_blob(repository, descriptor.digest) is not None:
                progress(descriptor.size)
                return

    async def cancel(self, opened: httpx.Response, scopes: frozenset[str]) -> None:
        """Close the session that `opened` has opened; best effort, the registry expires it too."""
        with contextlib.suppress(RegistryError):
            await self.cancel_at(str(location_of(opened)), scopes)

    async def cancel_at(self, location: str, scopes: frozenset[str]) -> None:
        """Close the session at a Location, of this process or of one before."""
        target = str(self._transport.allowed(httpx.URL(location)))
        await self._transport.request("DELETE", target, scopes=scopes, attempts=1)

    async def _attempt(
        self,
        repository: str,
        descriptor: Descriptor,
        source: BlobSource,
        scopes: frozenset[str],
        progress: Callable[[int], None],
    ) -> None:
        progress(0)
        path = f"/v2/{repository}/blobs/uploads/"
        opened = await self._transport.request("POST", path, scopes=scopes)
        if opened.status_code != 202:
            raise rejected(opened, f"POST {path}")
        location = str(location_of(opened))
        self._journal.opened(repository, location)
        try:
            async with source() as chunks:
                await self._send(opened, descriptor, _counted(chunks, progress), scopes)
        except BaseException:
            # Cancelled by the user too: shielded, so that the session does not stay behind.
            await asyncio.shield(self.cancel(opened, scopes))
            raise
        finally:
            self._journal.closed(location)

    async def _send(
        self,
        opened: httpx.Response,
        descriptor: Descriptor,
        chunks: AsyncIterator[bytes],
        scopes: frozenset[str],
    ) -> None:
        location = str(self._transport.allowed(location_of(opened)))
        # The Location has a query of its own: the digest is added to it, nothing is rebuilt.
        target = (
            f"{location}{'&' if '?' in location else '?'}digest={descriptor.digest}"
        )
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(descriptor.size),
        }
        exchange = self._transport.open(
            "PUT", target, scopes, chunks, headers, UPLOAD_TIMEOUT
        )
        async with exchange as response:
            await response.aread()
            if response.status_code == 401 and await self._transport.renew(
                response, scopes
            ):
                raise RegistryRejected(
                    "the token ran out during the upload", status=408
                )
            check(response, "PUT of a blob")
            if response.status_code not in (200, 201, 204):
                raise rejected(response, "PUT of a blob")
            check_digest(response, descriptor.digest, "PUT of a blob")


def file_source(path: str) -> BlobSource:
    """The bytes of a file, opened anew for every attempt."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
        # Not in a thread: who is cancelled meanwhile would leave it open.
        with open(path, "rb") as file:
            yield _read(file)

    return opened


def bytes_source(data: bytes) -> BlobSource:
    """Bytes that are in memory, such as a config."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
        async def once() -> AsyncIterator[bytes]:
            yield data

        yield once()

    return opened


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        yield chunk


async def _counted(
    chunks: AsyncIterator[bytes], progress: Callable[[int], None]
) -> AsyncIterator[bytes]:
    sent = 0
    async for chunk in chunks:
        yield chunk
        # After the yield: the previous chunk is in the socket by now.
        sent += len(chunk)
        progress(sent)
