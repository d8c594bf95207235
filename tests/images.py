"""Small images made by tests: a manifest, a config, layers; as an archive or in a registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oci.client import RegistryClient
from oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from oci.reference import Digest
from oci.upload import bytes_source
from snapshot_agent.image_spec import CREATED_BY, chain_id


@dataclass
class Image:
    """An image with its blobs."""

    manifest: bytes
    config: bytes
    layers: list[bytes]
    diff_ids: list[str]
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        return Digest.of(self.manifest)

    @property
    def config_digest(self) -> Digest:
        return Digest.of(self.config)

    @property
    def chain(self) -> str:
        return chain_id(self.diff_ids)


def make_image(
    trees: list[Path], env: dict[str, str] | None = None, saved: int = 0
) -> Image:
    """An image with one layer for each tree, lowest first; trees hold OCI whiteouts.

    So many of the uppermost layers are saves of a desktop, each one of its own.
    """
    tars = [_tar(tree) for tree in trees]
    layers = [gzip.compress(tar, 1, mtime=0) for tar in tars]
    diff_ids = [str(Digest.of(tar)) for tar in tars]
    makers = ["a build"] * (len(trees) - saved) + [CREATED_BY] * saved
    config = json.dumps(_config(diff_ids, env or {}, makers)).encode()
    descriptors = [_descriptor(OCI_LAYER_GZIP, layer) for layer in layers]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor(OCI_CONFIG, config),
            "layers": descriptors,
        }
    ).encode()
    blobs = {Digest.of(data): data for data in [manifest, config, *layers]}
    return Image(
        manifest, config, layers, diff_ids, {str(k): v for k, v in blobs.items()}
    )


def _config(
    diff_ids: list[str], env: dict[str, str], makers: list[str]
) -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": [f"{key}={value}" for key, value in env.items()],
            "Cmd": ["/bin/busybox", "sleep", "1000000"],
            "WorkingDir": "/home/jovyan",
            "Healthcheck": {"Test": ["NONE"]},
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [
            {
                "created_by": by,
                "created": f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z",
            }
            for number, by in enumerate(makers)
        ],
    }


def archive(image: Image, name: str, path: Path) -> Path:
    """Write the image as an OCI archive under a name."""
    entry = _descriptor(OCI_MANIFEST, image.manifest)
    entry["annotations"] = {"io.containerd.image.name": name}
    entry["platform"] = {"architecture": "amd64", "os": "linux"}
    files = {f"blobs/sha256/{digest[7:]}": data for digest, data in image.blobs.items()}
    files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    files["index.json"] = json.dumps(
        {"schemaVersion": 2, "manifests": [entry]}
    ).encode()
    with tarfile.open(path, "w") as tar:
        for file, data in files.items():
            info = tarfile.TarInfo(file)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


async def push_image(
    client: RegistryClient, image: Image, repository: str, tag: str
) -> None:
    """Put the image into a registry."""
    for data in [image.config, *image.layers]:
        descriptor = Descriptor("", Digest.of(data), len(data))
        await client.put_blob(repository, descriptor, bytes_source(data))
    await client.put_manifest(repository, tag, image.manifest, OCI_MANIFEST)


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _tar(tree: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(tree.rglob("*")):
            info = tar.gettarinfo(path, str(path.relative_to(tree)))
            info.uname = info.gname = ""
            info.mtime = int(info.mtime)
            info.pax_headers = {} if info.islnk() else _xattrs(path)
            if info.isreg():
                with open(path, "rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return buffer.getvalue()


def _xattrs(path: Path) -> dict[str, str]:
    """The attributes of an entry that images keep, as a PAX header has them."""
    found = {}
    for name in os.listxattr(path, follow_symlinks=False):
        if name.startswith(("user.", "security.capability", "system.posix_acl")):
            value = os.getxattr(path, name, follow_symlinks=False)
            found[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
    return found
