"""The config and the manifest of a saved image, made of those of its base. Pure.

The base's documents are edited in place: whatever they say that is not named here stays.
Nothing is taken from the running container: its environment and its arguments hold secrets.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oci.manifest import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
)
from oci.reference import Digest

CREATED_BY = "jupyterhub-desktops save"
PREFIX = "jupyterhub-desktops"

_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_TYPES = {
    _DOCKER_LAYER: OCI_LAYER,
    _DOCKER_LAYER + ".gzip": OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    ),
}


@dataclass(frozen=True)
class Layer:
    """A new layer: what the config and the manifest have to say about it."""

    diff_id: Digest
    digest: Digest
    size: int

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(OCI_LAYER_ZSTD, self.digest, self.size)


@dataclass(frozen=True)
class Description:
    """What people and programs will read on the image."""

    title: str
    description: str
    created: str
    author: str
    owner: str
    version: int
    base_name: str
    base_digest: Digest
    origin_name: str
    origin_digest: Digest

    def labels(self) -> dict[str, str]:
        labels = {
            "org.opencontainers.image.created": self.created,
            "org.opencontainers.image.title": self.title,
            "org.opencontainers.image.description": self.description,
            "org.opencontainers.image.base.name": self.base_name,
            "org.opencontainers.image.base.digest": self.base_digest,
            f"{PREFIX}/owner": self.owner,
            f"{PREFIX}/version": str(self.version),
            f"{PREFIX}/origin.name": self.origin_name,
            f"{PREFIX}/origin.digest": self.origin_digest,
        }
        return {key: str(value) for key, value in labels.items() if value}


def origin_of(config: dict[str, Any], name: str, digest: Digest) -> tuple[str, Digest]:
    """The image that was not saved from another one: the base, or what the base says."""
    labels = (config.get("config") or {}).get("Labels") or {}
    known, known_digest = labels.get(f"{PREFIX}/origin.name"), labels.get(
        f"{PREFIX}/origin.digest"
    )
    if known and known_digest:
        return str(known), Digest(str(known_digest))
    return name, digest


def saved_layers(config: dict[str, Any]) -> tuple[int, int]:
    """How many of the uppermost layers were saved from desktops, and by how many saves."""
    history = config.get("history") or []
    described = [entry for entry in history if not entry.get("empty_layer")]
    if len(described) != len((config.get("rootfs") or {}).get("diff_ids") or []):
        return 0, 0
    layers, saves = 0, set()
    for entry in reversed(history):
        if entry.get("created_by") != CREATED_BY:
            break
        if not entry.get("empty_layer"):
            layers += 1
            # All layers of one save have the same time.
            saves.add(str(entry.get("created")))
    return layers, len(saves)


def without_saved(
    config: dict[str, Any], manifest: dict[str, Any], layers: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two documents without so many of the uppermost layers.

    ValueError when these are not all that were saved: no other layer is ever taken away.
    """
    if not layers:
        return config, manifest
    if layers != saved_layers(config)[0]:
        raise ValueError(f"{layers} layers are not those that were saved")
    config, manifest = copy.deepcopy(config), copy.deepcopy(manifest)
    config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"][:-layers]
    while config["history"] and config["history"][-1].get("created_by") == CREATED_BY:
        config["history"].pop()
    manifest["layers"] = manifest["layers"][:-layers]
    return config, manifest


def make_config(
    base: dict[str, Any], layers: Sequence[Layer], description: Description
) -> bytes:
    """The config of the base with the new layers, a history entry for each, and labels."""
    config = copy.deepcopy(base)
    config["created"] = description.created
    config["author"] = description.author
    inner = config.setdefault("config", {}) or {}
    config["config"] = inner
    inner["Labels"] = (inner.get("Labels") or {}) | description.labels()
    rootfs = config.setdefault("rootfs", {"type": "layers"})
    rootfs["diff_ids"] = [
        *(rootfs.get("diff_ids") or []),
        *(layer.diff_id for layer in layers),
    ]
    entry: dict[str, Any] = {
        "created": description.created,
        # A constant: the container's own arguments may hold a token.
        "created_by": CREATED_BY,
        "author": description.author,
        "comment": description.title,
    }
    new = [dict(entry) for _ in layers] or [entry | {"empty_layer": True}]
    config["history"] = [*(config.get("history") or []), *new]
    return _document(config)


def make_manifest(
    base: dict[str, Any],
    config: bytes,
    layers: Sequence[Layer],
    description: Description,
) -> bytes:
    """An OCI manifest: the base's layers as they are, then the new ones."""
    kept = [
        oci_layer(Descriptor.from_json(layer)) for layer in base.get("layers") or []
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor(OCI_CONFIG, Digest.of(config), len(config)).to_json(),
        "layers": [
            layer.to_json() for layer in [*kept, *(new.descriptor for new in layers)]
        ],
        "annotations": description.labels(),
    }
    return _document(document)


def oci_layer(layer: Descriptor) -> Descriptor:
    """The same layer under its OCI type: the bytes do not change, so neither does the digest."""
    media_type = _TYPES.get(layer.media_type, layer.media_type)
    return Descriptor(media_type, layer.digest, layer.size, layer.extra)


def is_distributable(layer: Descriptor) -> bool:
    """False for layers that stay where they are, and are named by their address only."""
    foreign = "nondistributable" in layer.media_type or ".foreign." in layer.media_type
    return not foreign


def is_encrypted(layer: Descriptor) -> bool:
    return layer.media_type.endswith("+encrypted")


def chain_id(diff_ids: Sequence[str]) -> str:
    """The name that containerd gives to the snapshot of these layers."""
    chain = ""
    for diff_id in diff_ids:
        pair = f"{chain} {diff_id}".encode()
        chain = f"sha256:{hashlib.sha256(pair).hexdigest()}" if chain else diff_id
    return chain


def _document(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8"
    )
