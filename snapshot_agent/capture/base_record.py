"""What the node has of the image below a container: its record, and blobs of it and of no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from oci.errors import InvalidReference
from oci.manifest import INDEXES, MANIFEST_LIMIT, Descriptor
from oci.reference import Digest, Reference
from snapshot_agent.capture.container import Desktop
from snapshot_agent.capture.containerd import (
    Containerd,
    ContainerdError,
    Image,
    NotFound,
)
from snapshot_agent.errors import unknown_base
from snapshot_agent.image_spec import chain_id, saved_layers
from snapshot_agent.wire import BaseRecord

_SOURCE_LABEL = "containerd.io/distribution.source."
# The images of a node's desktops are few.
_MOST_KEPT = 64


class NodeImage:
    """Reads images of the content store, each as the image of one container.

    - a blob is given out only if the manifest of that container's image names it;
    - which blobs these are is read once for an image.
    """

    def __init__(self, containerd: Containerd) -> None:
        self._containerd = containerd
        self._parts: dict[Digest, frozenset[Digest]] = {}

    def record(self, desktop: Desktop) -> BaseRecord:
        """Which image it is, and where its blobs may be had besides; BaseUnknown."""
        image = self._image(desktop)
        return BaseRecord(
            desktop.image,
            desktop.config_digest,
            desktop.parent,
            image.target,
            tuple(self._sources(desktop.image, image.target.digest)),
        )

    def size(self, desktop: Desktop, digest: Digest) -> int | None:
        """The bytes of a blob of the image; None when the node has it not."""
        target = self._image(desktop).target
        try:
            if digest not in self._known_parts(target):
                return None
            return self._containerd.content_info(digest).size
        except NotFound:
            return None

    def read(self, digest: Digest) -> Iterator[bytes]:
        """A blob that `size` has found."""
        return self._containerd.content(digest)

    def _image(self, desktop: Desktop) -> Image:
        """The node's record of the image that was started.

        CRI keeps one under the config's digest for what it pulled, whatever becomes of the
        tags. An image that was imported past it has its name only; a tag that has moved
        since is found out by who asks for the config that the container has.
        """
        for name in (desktop.config_digest, desktop.image):
            try:
                return self._containerd.image(name)
            except NotFound:
                continue
        raise unknown_base("the node no longer has a record of it")

    def _sources(self, image: str, target: Digest) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        names = [record.name for record in self._containerd.images_of(target)]
        for name in [image, *names]:
            try:
                reference = Reference.parse(name)
            except InvalidReference:
                continue
            if "/" in name:
                found.append((reference.host, reference.repository))
        found += self._labelled(target)
        return list(dict.fromkeys(found))

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

    def _known_parts(self, target: Descriptor) -> frozenset[Digest]:
        known = self._parts.get(target.digest)
        if known is None:
            known = frozenset(self._named(target))
            while len(self._parts) >= _MOST_KEPT:
                del self._parts[next(iter(self._parts))]
            self._parts[target.digest] = known
        return known

    def _named(self, target: Descriptor) -> Iterator[Digest]:
        """The digest itself, and those of everything that it names."""
        yield target.digest
        content = self._document(target)
        if target.media_type not in INDEXES:
            yield from _parts(content)
            return
        for entry in content.get("manifests") or []:
            child = Descriptor.from_json(entry)
            yield child.digest
            # Manifests of other platforms are usually not on the node.
            with suppress(NotFound):
                yield from _parts(self._document(child))

    def _document(self, descriptor: Descriptor) -> dict[str, Any]:
        if self._containerd.content_info(descriptor.digest).size > MANIFEST_LIMIT:
            return {}
        try:
            data = b"".join(self._containerd.content(descriptor.digest))
            found = json.loads(data)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def _parts(manifest: dict[str, Any]) -> Iterator[Digest]:
    for entry in [manifest.get("config") or {}, *(manifest.get("layers") or [])]:
        if "digest" in entry:
            yield Digest(str(entry["digest"]))


def check_config(desktop: Desktop, config: str) -> dict[str, Any]:
    """An image's configuration; BaseUnknown when it is not that of the container's image."""
    data = config.encode("utf-8", "surrogateescape")
    if Digest.of(data) != desktop.config_digest:
        raise unknown_base(
            "its configuration is not the one the server was started with"
        )
    try:
        content = json.loads(data)
        layers = content.get("rootfs", {}).get("diff_ids") or []
        environment(content), saved_layers(content)
    except (ValueError, AttributeError, TypeError) as error:
        raise unknown_base("its configuration cannot be read") from error
    if chain_id(layers) != desktop.parent:
        raise unknown_base("its layers are not those below the running server")
    return dict(content)


def environment(config: dict[str, Any]) -> list[str]:
    """What an image sets for every program."""
    return [str(one) for one in (config.get("config") or {}).get("Env") or []]
