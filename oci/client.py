"""One registry, as the distribution protocol speaks: manifests, blobs, mounts, tags."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx

from .auth import Credentials
from .errors import DigestMismatch, RegistryRejected
from .manifest import INDEXES, MANIFEST_LIMIT, MANIFESTS, Descriptor, Manifest
from .reference import Digest
from .transport import Transport, check_digest, location_of, rejected
from .upload import BlobSource, NoJournal, Uploader, UploadJournal

ACCEPT = ", ".join(sorted(INDEXES | MANIFESTS))
Progress = Callable[[int], None]


class RegistryClient:
    """Reads from and writes to one registry.

    - every request has a timeout; what may pass (no answer, 5xx, 429) is tried again with
      growing pauses, what may not is raised at once;
    - "is not there" is None or False, every other failure a RegistryError;
    - a blob is on the registry under the digest that was asked for, or the call fails;
    - memory is a few chunks, whatever the size of a blob.
    """

    def __init__(
        self,
        url: str,
        http: httpx.AsyncClient,
        *,
        credentials: Credentials | None = None,
        redirect_hosts: tuple[str, ...] = (),
        attempts: int = 5,
        backoff: float = 0.5,
        journal: UploadJournal | None = None,
    ) -> None:
        """`http` is the caller's and stays open.

        `redirect_hosts` are globs of the hosts that the registry may send us to besides
        itself; its credentials never go there.
        """
        self._transport = Transport(
            url,
            http,
            credentials=credentials,
            redirect_hosts=redirect_hosts,
            attempts=attempts,
            backoff=backoff,
        )
        self._uploader = Uploader(
            self._transport, self.head_blob, journal or NoJournal()
        )

    @property
    def url(self) -> str:
        return str(self._transport.url)

    async def ping(self, *, attempts: int | None = None) -> None:
        """Return when the registry answers and knows us; raise when not."""
        response = await self._transport.request("GET", "/v2/", attempts=attempts)
        if response.status_code != 200:
            raise rejected(response, "GET /v2/")

    async def head_manifest(self, repository: str, target: str) -> Descriptor | None:
        """The descriptor of a tag or a digest, None when it is not there."""
        response = await self._manifest_request("HEAD", repository, target)
        if response is None:
            return None
        digest = response.headers.get("docker-content-digest")
        length = response.headers.get("content-length")
        if digest is None or length is None:
            # Optional in the protocol: then the content itself has to tell.
            manifest = await self.get_manifest(repository, target)
            return manifest.descriptor if manifest else None
        return Descriptor(
            response.headers.get("content-type", ""), Digest(digest), int(length)
        )

    async def get_manifest(self, repository: str, target: str) -> Manifest | None:
        """The manifest of a tag or a digest, None when it is not there.

        Asked for by digest, it is that content or the call fails.
        """
        response = await self._manifest_request("GET", repository, target)
        if response is None:
            return None
        manifest = Manifest(response.headers.get("content-type", ""), response.content)
        if ":" in target and _hash(Digest(target), manifest.data) != target:
            raise DigestMismatch(f"the registry gave another manifest than {target}")
        return manifest

    async def put_manifest(
        self, repository: str, target: str, data: bytes, media_type: str
    ) -> Digest:
        """Write a manifest under a tag or under its digest."""
        path = f"/v2/{repository}/manifests/{target}"
        response = await self._transport.request(
            "PUT",
            path,
            scopes=push(repository),
            content=data,
            headers={"Content-Type": media_type},
        )
        if response.status_code not in (201, 202):
            raise rejected(response, f"PUT {path}")
        digest = Digest.of(data)
        check_digest(response, digest, f"PUT {path}")
        return digest

    async def delete_manifest(
        self, repository: str, target: str, *, attempts: int | None = None
    ) -> bool:
        """Delete by digest (or by tag, where the registry can); False when it was not there."""
        path = f"/v2/{repository}/manifests/{target}"
        return await self._delete(repository, path, attempts)

    async def delete_blob(self, repository: str, digest: Digest) -> bool:
        """Take a blob out of a repository; False when it was not there."""
        return await self._delete(repository, f"/v2/{repository}/blobs/{digest}", None)

    async def tags(self, repository: str) -> list[str]:
        """Every tag of a repository; empty when there is no such repository."""
        found: list[str] = []
        path = f"/v2/{repository}/tags/list?n=1000"
        while path:
            response = await self._transport.request(
                "GET", path, scopes=pull(repository)
            )
            if response.status_code == 404:
                return found
            if response.status_code != 200:
                raise rejected(response, f"GET {path}")
            found += response.json().get("tags") or []
            following = response.links.get("next", {}).get("url")
            path = str(location_of(response, following)) if following else ""
        return found

    async def head_blob(self, repository: str, digest: Digest) -> int | None:
        """The size of a blob that the repository has, None when it has not."""
        path = f"/v2/{repository}/blobs/{digest}"
        response = await self._transport.request("HEAD", path, scopes=pull(repository))
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise rejected(response, f"HEAD {path}")
        return int(response.headers.get("content-length", 0))

    async def mount_blob(self, repository: str, digest: Digest, source: str) -> bool:
        """Take a blob over from another repository of this registry without moving it.

        False when the registry will not: the blob is not there, or we may not read it
        there, or it does not do mounts. The upload session it opens instead is closed.
        """
        path = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={quote(source, safe='')}"
        scopes = push(repository) | pull(source)
        response = await self._transport.request(
            "POST", path, scopes=scopes, refusable=True
        )
        if response.status_code == 202 and "location" in response.headers:
            await self._uploader.cancel(response, scopes)
        return response.status_code == 201

    async def put_blob(
        self,
        repository: str,
        descriptor: Descriptor,
        source: BlobSource,
        progress: Progress | None = None,
    ) -> None:
        """Upload a blob in one piece, again from its start when something passing went wrong.

        `source` opens the bytes anew for every attempt; `progress` is told how many bytes of
        the blob are sent, and goes back to 0 with a new attempt.
        """
        await self._uploader.put(
            repository,
            descriptor,
            source,
            push(repository),
            progress or (lambda sent: None),
        )

    async def cancel_upload(self, repository: str, location: str) -> None:
        """Close an upload that a program before this one has left open."""
        await self._uploader.cancel_at(location, push(repository))

    @asynccontextmanager
    async def open_blob(
        self, repository: str, digest: Digest, size: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read a blob as a stream that ends with DigestMismatch when it is not that blob."""
        path = f"/v2/{repository}/blobs/{digest}"
        async with self._transport.stream(path, pull(repository)) as chunks:
            yield verified(chunks, digest, size)

    async def get_blob(self, repository: str, digest: Digest, limit: int) -> bytes:
        """A small blob in memory, such as a config; refused above `limit` bytes."""
        parts: list[bytes] = []
        total = 0
        async with self.open_blob(repository, digest) as chunks:
            async for chunk in chunks:
                total += len(chunk)
                if total > limit:
                    raise RegistryRejected(
                        f"the blob {digest} is larger than {limit} bytes"
                    )
                parts.append(chunk)
        return b"".join(parts)

    async def copy_blob(
        self,
        source: RegistryClient,
        source_repository: str,
        repository: str,
        descriptor: Descriptor,
        progress: Progress | None = None,
    ) -> None:
        """Stream a blob from another registry into this one, verified on the way."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
            async with source.open_blob(
                source_repository, descriptor.digest, descriptor.size
            ) as chunks:
                yield chunks

        await self.put_blob(repository, descriptor, opened, progress)

    async def _manifest_request(
        self, method: str, repository: str, target: str
    ) -> httpx.Response | None:
        path = f"/v2/{repository}/manifests/{target}"
        response = await self._transport.request(
            method,
            path,
            scopes=pull(repository),
            headers={"Accept": ACCEPT},
            limit=MANIFEST_LIMIT,
        )
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise rejected(response, f"{method} {path}")
        return response

    async def _delete(self, repository: str, path: str, attempts: int | None) -> bool:
        scopes = frozenset({f"repository:{repository}:delete,pull,push"})
        response = await self._transport.request(
            "DELETE", path, scopes=scopes, attempts=attempts
        )
        # 404: somebody else deleted it, which is what was wanted.
        if response.status_code == 404:
            return False
        if response.status_code not in (200, 202, 204):
            raise rejected(response, f"DELETE {path}")
        return True


async def verified(
    chunks: AsyncIterator[bytes], digest: Digest, size: int | None
) -> AsyncIterator[bytes]:
    """The same chunks; DigestMismatch at the end, or as soon as there are too many bytes."""
    hasher = hashlib.new(digest.algorithm)
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if size is not None and total > size:
            raise DigestMismatch(
                f"the blob {digest} is larger than the {size} bytes announced"
            )
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != digest.hex or (size is not None and total != size):
        raise DigestMismatch(f"the bytes received are not the blob {digest}")


def pull(repository: str) -> frozenset[str]:
    return frozenset({f"repository:{repository}:pull"})


def push(repository: str) -> frozenset[str]:
    return frozenset({f"repository:{repository}:pull,push"})


def _hash(digest: Digest, data: bytes) -> str:
    return f"{digest.algorithm}:{hashlib.new(digest.algorithm, data).hexdigest()}"
