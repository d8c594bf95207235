"""What others make of a saved image: pulled from the registry, unpacked by their own programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from oci.client import RegistryClient
from oci.manifest import OCI_LAYER_ZSTD
from oci.reference import Digest

from .nodes import Node, run

_TAR = "application/vnd.oci.image.layer.v1.tar"


def pulled(node: Node, reference: str, folder: Path) -> Path:
    """What a real containerd pulls and unpacks; mounted, then copied."""
    run([*node.ctr, "images", "pull", "--plain-http", *node.local, reference])
    folder.mkdir(parents=True)
    run([*node.ctr, "images", "mount", reference, str(folder)])
    try:
        run(["cp", "-a", f"{folder}/.", f"{folder}-copy"])
    finally:
        run([*node.ctr, "images", "unmount", str(folder)])
    return Path(f"{folder}-copy")


async def unpacked_by_umoci(
    client: RegistryClient, repository: str, digest: str, folder: Path
) -> Path:
    """What umoci unpacks, which checks every digest before and after on its way.

    Debian's knows no zstd, so it gets such layers as plain tar.
    """
    layout = folder / "layout"
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    manifest = await client.get_manifest(repository, digest)
    assert manifest is not None
    content = manifest.json()
    for descriptor in [content["config"], *content["layers"]]:
        wanted = Digest(descriptor["digest"])
        path = blobs / wanted.removeprefix("sha256:")
        path.write_bytes(await client.get_blob(repository, wanted, 1 << 30))
        if descriptor["mediaType"] == OCI_LAYER_ZSTD:
            plain = folder / "plain.tar"
            run(["zstd", "-q", "-d", "--rm", "-o", str(plain), str(path)])
            descriptor |= {"mediaType": _TAR, **_add(blobs, plain)}
    whole = folder / "manifest.json"
    whole.write_text(json.dumps(content))
    entry = {"mediaType": content["mediaType"], **_add(blobs, whole)}
    entry["annotations"] = {"org.opencontainers.image.ref.name": "saved"}
    index = {"schemaVersion": 2, "manifests": [entry]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    target = folder / "rootfs"
    run(["umoci", "raw", "unpack", "--image", f"{layout}:saved", str(target)])
    return target


def _add(blobs: Path, path: Path) -> dict[str, object]:
    """Move a file among the blobs; its digest and size."""
    digest = Digest.of(path.read_bytes())
    size = path.stat().st_size
    shutil.move(path, blobs / digest.removeprefix("sha256:"))
    return {"digest": str(digest), "size": size}
