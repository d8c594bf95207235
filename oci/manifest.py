"""Manifests as registries speak of them: media types, descriptors. Pure: no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .errors import RegistryRejected
from .reference import Digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD = OCI_LAYER + "+zstd"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})

# The limit that registries and containerd themselves put on a manifest.
MANIFEST_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Descriptor:
    """A blob or a manifest by type, digest and size; what else it said is kept as it was."""

    media_type: str
    digest: Digest
    size: int
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Descriptor:
        known = {"mediaType", "digest", "size"}
        return cls(
            media_type=str(data.get("mediaType", "")),
            digest=Digest(str(data["digest"])),
            size=int(data["size"]),
            extra={key: value for key, value in data.items() if key not in known},
        )

    def to_json(self) -> dict[str, Any]:
        head = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        return head | self.extra


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index, byte for byte as the registry keeps it."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> Digest:
        return Digest.of(self.data)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.data))

    def json(self) -> dict[str, Any]:
        """The content; RegistryRejected when it is not a JSON object."""
        try:
            content = json.loads(self.data)
        except ValueError as error:
            raise RegistryRejected(f"the manifest {self.digest} is not JSON") from error
        if not isinstance(content, dict):
            raise RegistryRejected(f"the manifest {self.digest} is not a JSON object")
        return content
