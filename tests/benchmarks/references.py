"""What a save is compared with: other ways to bring the same changes into the same registry."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from oci.reference import Digest
from tests.conformance.nodes import Node, run
from tests.images import Image

from .material import descriptor

_TAR = """\
set -euo pipefail
mkfifo "$2/raw" "$2/packed"
sha256sum < "$2/raw" > "$2/raw.sha" &
sha256sum < "$2/packed" > "$2/packed.sha" &
tar --xattrs -C "$1" -cf - . | tee "$2/raw" | zstd -q -3 -T0 | tee "$2/packed" > "$2/blob"
wait
rm "$2/raw" "$2/packed"
"""


@dataclass(frozen=True)
class Uploaded:
    """A blob that a reference has sent, and how long all of it took."""

    digest: str
    size: int
    seconds: float


def containerd_diff(node: Node, registry: str) -> Uploaded:
    """containerd's Diff, which walks the whole image and packs with gzip, then curl."""
    blobs = _content(node)
    before = set(blobs.iterdir())
    start = time.monotonic()
    command = [*node.ctr, "snapshots", "diff", "--keep", node.container_id]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    made = (set(blobs.iterdir()) - before).pop()
    digest, size = f"sha256:{made.name}", made.stat().st_size
    upload(registry, "bench/diff-" + uuid.uuid4().hex, made, digest)
    return Uploaded(digest, size, time.monotonic() - start)


def forget(node: Node, digest: str) -> None:
    run([*node.ctr, "content", "rm", digest])


def tar_and_zstd(upper: Path, registry: str, folder: Path) -> Uploaded:
    """tar, zstd on all cores, both digests on the way, then curl."""
    folder.mkdir()
    start = time.monotonic()
    subprocess.run(["bash", "-c", _TAR, "bash", str(upper), str(folder)], check=True)
    digest = "sha256:" + (folder / "packed.sha").read_text().split()[0]
    upload(registry, "bench/tar-" + uuid.uuid4().hex, folder / "blob", digest)
    seconds = time.monotonic() - start
    return Uploaded(digest, (folder / "blob").stat().st_size, seconds)


def gzip_image(node: Node, registry: str, image: Image, layer: Uploaded) -> str:
    """An image in the registry of the base and one gzip layer; its reference."""
    repository = "bench/gzip-" + uuid.uuid4().hex
    blob = _content(node) / layer.digest.removeprefix("sha256:")
    diff_id = "sha256:" + _unpacked_digest(blob)
    config = json.loads(image.config)
    config["rootfs"]["diff_ids"].append(diff_id)
    manifest = json.loads(image.manifest)
    data = json.dumps(config).encode()
    manifest["config"] = descriptor(OCI_CONFIG, data)
    added = {"mediaType": OCI_LAYER_GZIP, "digest": layer.digest, "size": layer.size}
    manifest["layers"].append(added)
    upload(registry, repository, blob, layer.digest)
    folder = blob.parent.parent
    for one in (data, *image.layers):
        path = folder / "bench-upload"
        path.write_bytes(one)
        upload(registry, repository, path, str(Digest.of(one)))
        path.unlink()
    command = ["curl", "-sfS", "-X", "PUT", "-H", f"Content-Type: {OCI_MANIFEST}"]
    target = f"{registry}/v2/{repository}/manifests/v1"
    run([*command, "--data-binary", json.dumps(manifest), target])
    return f"{repository}:v1"


def upload(registry: str, repository: str, path: Path, digest: str) -> None:
    """One blob, in one piece, by curl."""
    command = ["curl", "-sfS", "-X", "POST", "-o", "/dev/null", "-w"]
    start = f"{registry}/v2/{repository}/blobs/uploads/"
    location = run([*command, "%header{location}", start]).strip()
    joint = "&" if "?" in location else "?"
    command = ["curl", "-sfS", "-o", "/dev/null", "-T", str(path)]
    run([*command, f"{location}{joint}digest={digest}"])


def _unpacked_digest(blob: Path) -> str:
    script = 'gzip -dc "$1" | sha256sum'
    return run(["bash", "-c", script, "bash", str(blob)]).split()[0]


def _content(node: Node) -> Path:
    return Path(node.roots[0]).parent / "io.containerd.content.v1.content/blobs/sha256"
