"""Brings an image into our registry: base layers without moving them where possible, new ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from oci.errors import RegistryRefused, RegistryRejected, RegistryUnavailable
from oci.manifest import OCI_MANIFEST, Descriptor
from oci.names import mirror_repository
from oci.reference import Digest, Reference
from oci.upload import BlobSource, bytes_source, file_source
from snapshot_agent.api.base import Base, NodeBlobs, unavailable
from snapshot_agent.api.pushed import Pushed
from snapshot_agent.api.registries import Registries
from snapshot_agent.image_spec import is_distributable
from snapshot_agent.status import Step

log = logging.getLogger(__name__)
T = TypeVar("T")

# Base layers are nearly always one or two requests each: a few at a time, not to be a burden.
_AT_ONCE = 4


class Pusher:
    """Pushes into one repository of our registry.

    - a blob that the repository has is not sent again, so every step may be repeated;
    - a base layer is mounted from where it came from or from the mirror repository; only when
      neither has it do its bytes move, and then into the mirror, for the next save too;
    - the step counts the bytes that have to move: of the base's layers only those that do.
    """

    def __init__(
        self,
        registries: Registries,
        node: NodeBlobs,
        repository: str,
        step: Step,
    ) -> None:
        """`step` expects the bytes of what is new already."""
        self._registries = registries
        self._node = node
        self.repository = repository
        self._mirror = mirror_repository(registries.settings.prefix)
        self._step = step
        self._client = registries.own

    async def base_layers(self, base: Base) -> None:
        """Every distributable layer of the base; what has to move is known before it does."""
        wanted = {
            layer.digest: layer for layer in base.layers if is_distributable(layer)
        }
        missing: list[Descriptor] = []

        async def look(layer: Descriptor) -> None:
            if not await self._there(layer, base.sources):
                missing.append(layer)

        await _side_by_side(look, list(wanted.values()))
        for layer in missing:
            self._step.expect(layer.size)
        await _side_by_side(lambda layer: self._bring(layer, base.sources), missing)

    async def has(self, pushed: Pushed) -> bool:
        """Have the layers of an earlier save here too; False when the registry lost one."""
        for digest in pushed.digests:
            if await self._client.head_blob(self.repository, digest) is None:
                same = pushed.repository == self.repository
                if same or not await self._client.mount_blob(
                    self.repository, digest, pushed.repository
                ):
                    return False
        return True

    async def new_layers(self, layers: Sequence[tuple[Descriptor, Path]]) -> None:
        """What was captured, side by side."""
        await _side_by_side(
            lambda one: self.layer(one[0], file_source(str(one[1]))), layers
        )

    async def layer(
        self,
        layer: Descriptor,
        source: BlobSource,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """One of them; `progress`, not the step, is told how many bytes of it are sent."""
        await self._send(layer, source, progress)

    async def config(self, data: bytes, descriptor: Descriptor) -> None:
        await self._send(descriptor, bytes_source(data))

    async def manifest(self, data: bytes, tag: str) -> Digest:
        """By digest first: a tag never names something that is not whole."""
        digest = Digest.of(data)
        await self._client.put_manifest(self.repository, digest, data, OCI_MANIFEST)
        await self._client.put_manifest(self.repository, tag, data, OCI_MANIFEST)
        return digest

    async def _there(self, layer: Descriptor, sources: Sequence[Reference]) -> bool:
        """Have a base layer here without moving it; False when that is not possible."""
        if await self._client.head_blob(self.repository, layer.digest) is not None:
            return True
        own = [
            source.repository for source in sources if self._registries.is_own(source)
        ]
        for repository in [*own, self._mirror]:
            if await self._client.mount_blob(self.repository, layer.digest, repository):
                return True
        return False

    async def _bring(self, layer: Descriptor, sources: Sequence[Reference]) -> None:
        await self._fetch(self._mirror, layer, sources)
        if not await self._client.mount_blob(
            self.repository, layer.digest, self._mirror
        ):
            # A registry without mounts keeps the blob twice.
            await self._fetch(self.repository, layer, sources)

    async def _fetch(
        self, repository: str, layer: Descriptor, sources: Sequence[Reference]
    ) -> None:
        """Bring the bytes of a base layer into a repository of ours, from wherever they are."""
        counted = _Delta(self._step.add)
        if await self._client.head_blob(repository, layer.digest) is not None:
            return counted(layer.size)
        if await self._node.size(layer.digest) is not None:
            return await self._client.put_blob(
                repository, layer, lambda: self._node.read(layer.digest), counted
            )
        for source in sources:
            try:
                origin = self._registries.of(source)
                return await self._client.copy_blob(
                    origin, source.repository, repository, layer, counted
                )
            except (RegistryUnavailable, RegistryRejected, RegistryRefused) as error:
                log.warning(
                    "base layer %s not from %s: %s", layer.digest, source.host, error
                )
        # Ours or theirs? If ours is away, that is the better thing to say.
        await self._client.ping(attempts=1)
        raise unavailable(layer.digest, tuple(sources))

    async def _send(
        self,
        descriptor: Descriptor,
        source: BlobSource,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        counted = progress or _Delta(self._step.add)
        if await self._client.head_blob(self.repository, descriptor.digest) is not None:
            return counted(descriptor.size)
        await self._client.put_blob(self.repository, descriptor, source, counted)


async def _side_by_side(
    work: Callable[[T], Awaitable[None]], things: Sequence[T]
) -> None:
    """Do it with all of them, a few at a time; the first failure ends the others."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(thing: T) -> None:
        async with limit:
            await work(thing)

    async with asyncio.TaskGroup() as group:
        for thing in things:
            group.create_task(one(thing))


class _Delta:
    """Turns "so much of this blob" into "so much more", also backwards after a new attempt."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self._done = 0

    def __call__(self, done: int) -> None:
        self._progress(done - self._done)
        self._done = done
