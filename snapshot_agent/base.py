"""The image below a container: identified by its config's digest, proved by its layers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from oci.errors import InvalidReference, OciError
from oci.manifest import INDEXES, MANIFEST_LIMIT, Descriptor, Manifest
from oci.reference import Digest, Reference

from .container import Desktop
from .containerd import Containerd, ContainerdError, Image, NotFound
from .errors import SAFE, BaseUnavailable, BaseUnknown, TooManyLayers
from .image_spec import chain_id, is_encrypted
from .registries import Registries

log = logging.getLogger(__name__)

_SOURCE_LABEL = "containerd.io/distribution.source."

# What was read while the desktop ran, and what changed until it stood still.
LAYERS_OF_A_SAVE = 2
# Docker starts nothing above 125 layers, and containerd is tested with 128: room for builds on top.
MOST_LAYERS = 100


@dataclass(frozen=True)
class Base:
    """The image that a container was started from."""

    name: str
    manifest: Manifest
    config: dict[str, Any]
    # Where its blobs can be read: registry host and repository.
    sources: tuple[Reference, ...]

    @property
    def layers(self) -> list[Descriptor]:
        return [Descriptor.from_json(layer) for layer in self.manifest.json()["layers"]]

    @property
    def env(self) -> list[str]:
        return [str(one) for one in (self.config.get("config") or {}).get("Env") or []]


class BaseFinder:
    """Finds the base of a desktop, in the node's content store or where the image came from."""

    def __init__(self, containerd: Containerd, registries: Registries) -> None:
        self._containerd = containerd
        self._registries = registries

    async def find(self, desktop: Desktop) -> Base:
        """The base, whose layers are exactly those below the container; BaseUnknown if not."""
        image, sources = await asyncio.to_thread(self._records, desktop)
        manifest = await self._manifest(image.target, desktop.config_digest, sources)
        content = manifest.json()
        data = await self._blob(Descriptor.from_json(content["config"]), sources)
        config = json.loads(data)
        if Digest.of(data) != desktop.config_digest:
            raise _unknown(
                "its configuration is not the one the server was started with"
            )
        if chain_id(config.get("rootfs", {}).get("diff_ids") or []) != desktop.parent:
            raise _unknown("its layers are not those below the running server")
        if any(
            is_encrypted(Descriptor.from_json(layer)) for layer in content["layers"]
        ):
            raise _unknown("its layers are encrypted")
        return Base(desktop.image, manifest, config, sources)

    def _records(self, desktop: Desktop) -> tuple[Image, tuple[Reference, ...]]:
        image = self._record(desktop)
        found: dict[tuple[str, str], Reference] = {}
        names = [
            record.name for record in self._containerd.images_of(image.target.digest)
        ]
        for name in [desktop.image, *names]:
            try:
                reference = Reference.parse(name)
            except InvalidReference:
                continue
            if "/" in name:
                found[reference.host, reference.repository] = reference
        for host, repository in self._labelled(image.target.digest):
            found.setdefault((host, repository), Reference(host, repository))
        return image, tuple(found.values())

    def _record(self, desktop: Desktop) -> Image:
        """The node's record of the image that was started.

        CRI keeps one under the config's digest for what it pulled, whatever becomes of the
        tags. An image that was imported past it has its name only; a tag that has moved
        since is found out by `find`, which asks for the config that the container has.
        """
        for name in (desktop.config_digest, desktop.image):
            try:
                return self._containerd.image(name)
            except NotFound:
                continue
        raise _unknown("the node no longer has a record of it")

    def _labelled(self, digest: Digest) -> list[tuple[str, str]]:
        try:
            labels = self._containerd.content_info(digest).labels
        except ContainerdError:
            return []
        return [
            (key.removeprefix(_SOURCE_LABEL), repository)
            for key, value in labels.items()
            if key.startswith(_SOURCE_LABEL)
            for repository in value.split(",")
        ]

    async def _manifest(
        self, target: Descriptor, config: Digest, sources: tuple[Reference, ...]
    ) -> Manifest:
        """The manifest with this config: the target itself, or the one of an index."""
        manifest = Manifest(target.media_type, await self._blob(target, sources))
        content = manifest.json()
        if target.media_type not in INDEXES:
            if content.get("config", {}).get("digest") == config:
                return manifest
            raise _unknown("no manifest of it has the configuration of the server")
        for entry in content.get("manifests") or []:
            child = Descriptor.from_json(entry)
            try:
                found = Manifest(child.media_type, await self._blob(child, sources))
            except BaseUnavailable:
                # Manifests of other platforms are usually not on the node.
                continue
            if (found.json().get("config") or {}).get("digest") == config:
                return found
        raise _unknown("no manifest of it has the configuration of the server")

    async def _blob(
        self, descriptor: Descriptor, sources: tuple[Reference, ...]
    ) -> bytes:
        """A small document, from the node or from a registry, verified."""
        if descriptor.size > MANIFEST_LIMIT:
            raise _unknown("its documents are too large")
        try:
            data = await asyncio.to_thread(
                lambda: b"".join(self._containerd.content(descriptor.digest))
            )
            if Digest.of(data) == descriptor.digest:
                return data
        except ContainerdError:
            pass
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


@asynccontextmanager
async def content_source(
    containerd: Containerd, digest: Digest
) -> AsyncIterator[AsyncIterator[bytes]]:
    """A blob of the content store as a stream."""
    pieces = containerd.content(digest)

    async def stream() -> AsyncIterator[bytes]:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    try:
        yield stream()
    finally:
        await asyncio.to_thread(getattr(pieces, "close"))


def check_depth(base: Base) -> None:
    """TooManyLayers when a save of this image might be one that no node starts."""
    depth = len(base.layers)
    if depth + LAYERS_OF_A_SAVE > MOST_LAYERS:
        raise TooManyLayers(
            f"The image that this desktop was started from has {depth} layers, after many saves "
            f"on top of one another, and a saved image may have {MOST_LAYERS} at most. {SAFE} "
            "Nothing was saved. Set the desktop up again from the first image, or ask an "
            "administrator to have this one built anew from a Dockerfile.",
            layers=depth,
            most=MOST_LAYERS,
        )


def unavailable(digest: Digest, sources: tuple[Reference, ...]) -> BaseUnavailable:
    hosts = sorted({source.host for source in sources})
    return BaseUnavailable(
        "A part of the image that this desktop was started from is neither on the node nor in "
        f"{', '.join(hosts) or 'any registry that is known'}. {SAFE} Ask an administrator to make "
        "that image available again, then save once more.",
        digest=str(digest),
        hosts=hosts,
    )


def _unknown(why: str) -> BaseUnknown:
    return BaseUnknown(
        f"The image that this desktop was started from cannot be identified: {why}. {SAFE} "
        "Restart the server from the image, then save again."
    )
