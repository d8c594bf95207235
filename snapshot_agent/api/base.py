"""The image below a container: identified by its config's digest, proved by its layers."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from oci.errors import InvalidReference, OciError
from oci.manifest import INDEXES, MANIFEST_LIMIT, Descriptor, Manifest
from oci.reference import Digest, Reference
from snapshot_agent.api.registries import Registries
from snapshot_agent.errors import (
    SAFE,
    AgentError,
    BaseUnavailable,
    CaptureAway,
    unknown_base,
)
from snapshot_agent.image_spec import chain_id, is_encrypted, without_saved
from snapshot_agent.wire import BaseRecord

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Base:
    """The image that a container was started from."""

    name: str
    manifest: Manifest
    document: bytes
    config: dict[str, Any]
    # Where its blobs can be read: registry host and repository.
    sources: tuple[Reference, ...]

    @property
    def layers(self) -> list[Descriptor]:
        return [Descriptor.from_json(layer) for layer in self.manifest.json()["layers"]]

    def saved(self, layers: int) -> list[Descriptor]:
        """So many of the uppermost layers, the lowest first."""
        return self.layers[-layers:] if layers else []

    def without_saved(self, layers: int) -> Base:
        """The image below the layers of earlier saves; CaptureAway when there are others."""
        try:
            config, content = without_saved(self.config, self.manifest.json(), layers)
        except ValueError as error:
            raise CaptureAway(str(error)) from error
        manifest = Manifest(self.manifest.media_type, json.dumps(content).encode())
        return replace(self, manifest=manifest, config=config)


class NodeBlobs(Protocol):
    """The blobs of the image below one container, as far as its node has them."""

    async def size(self, digest: Digest) -> int | None: ...

    def read(
        self, digest: Digest
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...


class BaseFinder:
    """Finds the base of a desktop, in the node's content store or where the image came from."""

    def __init__(self, node: NodeBlobs, registries: Registries) -> None:
        self._node = node
        self._registries = registries

    async def find(self, record: BaseRecord) -> Base:
        """The base, whose layers are exactly those below the container; BaseUnknown if not."""
        sources = _references(record)
        manifest = await self._manifest(record.target, record.config_digest, sources)
        content = manifest.json()
        data = await self._blob(Descriptor.from_json(content["config"]), sources)
        config = json.loads(data)
        if Digest.of(data) != record.config_digest:
            raise unknown_base(
                "its configuration is not the one the server was started with"
            )
        if chain_id(config.get("rootfs", {}).get("diff_ids") or []) != record.parent:
            raise unknown_base("its layers are not those below the running server")
        if any(
            is_encrypted(Descriptor.from_json(layer)) for layer in content["layers"]
        ):
            raise unknown_base("its layers are encrypted")
        return Base(record.image, manifest, data, config, sources)

    async def _manifest(
        self, target: Descriptor, config: Digest, sources: tuple[Reference, ...]
    ) -> Manifest:
        """The manifest with this config: the target itself, or the one of an index."""
        manifest = Manifest(target.media_type, await self._blob(target, sources))
        content = manifest.json()
        if target.media_type not in INDEXES:
            if content.get("config", {}).get("digest") == config:
                return manifest
            raise unknown_base("no manifest of it has the configuration of the server")
        for entry in content.get("manifests") or []:
            child = Descriptor.from_json(entry)
            try:
                found = Manifest(child.media_type, await self._blob(child, sources))
            except BaseUnavailable:
                # Manifests of other platforms are usually not on the node.
                continue
            if (found.json().get("config") or {}).get("digest") == config:
                return found
        raise unknown_base("no manifest of it has the configuration of the server")

    async def _blob(
        self, descriptor: Descriptor, sources: tuple[Reference, ...]
    ) -> bytes:
        """A small document, from the node or from a registry, verified."""
        if descriptor.size > MANIFEST_LIMIT:
            raise unknown_base("its documents are too large")
        data = await self._on_node(descriptor.digest)
        if data is not None:
            return data
        for source in sources:
            client = self._registries.of(source)
            try:
                if (
                    "config" in descriptor.media_type
                    or "container.image" in descriptor.media_type
                ):
                    return await client.get_blob(
                        source.repository, descriptor.digest, MANIFEST_LIMIT
                    )
                manifest = await client.get_manifest(
                    source.repository, descriptor.digest
                )
                if manifest is not None:
                    return manifest.data
            except OciError as error:
                log.info("base document not from %s: %s", source.host, error)
        raise unavailable(descriptor.digest, sources)

    async def _on_node(self, digest: Digest) -> bytes | None:
        size = await self._node.size(digest)
        if size is None or size > MANIFEST_LIMIT:
            return None
        try:
            async with self._node.read(digest) as pieces:
                data = b"".join([piece async for piece in pieces])
        except AgentError as error:
            log.info("base document not from the node: %s", error)
            return None
        return data if Digest.of(data) == digest else None


def _references(record: BaseRecord) -> tuple[Reference, ...]:
    found = []
    for host, repository in record.sources:
        try:
            found.append(Reference(host, repository))
        except InvalidReference:
            continue
    return tuple(found)


def unavailable(digest: Digest, sources: tuple[Reference, ...]) -> BaseUnavailable:
    hosts = sorted({source.host for source in sources})
    return BaseUnavailable(
        "A part of the image that this desktop was started from is neither on the node nor in "
        f"{', '.join(hosts) or 'any registry that is known'}. {SAFE} Ask an administrator to make "
        "that image available again, then save once more.",
        digest=str(digest),
        hosts=hosts,
    )
