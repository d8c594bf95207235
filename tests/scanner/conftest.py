"""An image in a registry, a database of vulnerabilities, and the real syft and grype."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from devcluster.binaries import TOOLS, place
from devcluster.settings import Settings as Devcluster
from oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from oci.reference import Digest
from tests.fakes.registry import FakeRegistry

OS_RELEASE = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nNAME=Debian\n'
PACKAGE = (
    "Package: {name}\nStatus: install ok installed\nVersion: {version}\n"
    "Architecture: amd64\nMaintainer: nobody\nDescription: a package\n\n"
)
REPOSITORY = "desktops/alice/gis"


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of syft and grype, where the scanner finds them."""
    build = next(one for one in TOOLS if one.name == "scanners")
    folder = place(build, Devcluster.from_environment(os.environ).cache)
    if not folder.is_dir():
        pytest.skip("needs syft and grype: python3 -m devcluster tool scanners")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def layer(files: dict[str, str]) -> bytes:
    """Return a packed layer with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            tar.addfile(info, io.BytesIO(content.encode()))
    return gzip.compress(buffer.getvalue())


def debian(**packages: str) -> bytes:
    """Return the layer of a small Debian with these packages."""
    known = [PACKAGE.format(name=one, version=at) for one, at in packages.items()]
    return layer({"etc/os-release": OS_RELEASE, "var/lib/dpkg/status": "".join(known)})


def push(registry: FakeRegistry, content: bytes) -> str:
    """Put an image of one layer into the registry; return its reference."""

    def blob(kind: str, data: bytes) -> dict[str, Any]:
        digest = str(Digest.of(data))
        registry.blobs.setdefault(REPOSITORY, {})[digest] = data
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}}
    diff = str(Digest.of(gzip.decompress(content)))
    config["rootfs"] = {"type": "layers", "diff_ids": [diff]}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": blob(OCI_CONFIG, json.dumps(config).encode()),
        "layers": [blob(OCI_LAYER_GZIP, content)],
    }
    data = json.dumps(manifest).encode()
    digest = str(Digest.of(data))
    registry.manifests.setdefault(REPOSITORY, {})[digest] = (OCI_MANIFEST, data)
    return f"{registry.host}/{REPOSITORY}@{digest}"
