"""The pause image, and the way of any image into the cluster.

An image goes into the cluster's registry first and from there into containerd, under one name: what
containerd holds has the very digests that everybody else can fetch.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from devcluster.command import run
from devcluster.errors import DevclusterError
from devcluster.settings import REGISTRY, Settings

NAMESPACE = "k8s.io"
"""containerd's namespace of the kubelet."""

PIN = "io.cri-containerd.pinned=pinned"
TRANSFER_TIMEOUT = 1800
MANAGED = "io.cri-containerd.image=managed"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def pause_image_name(binary: bytes) -> str:
    """The name holds the content's hash, so that a new program is never hidden by an old image."""
    return f"devcluster.local/pause:{hashlib.sha256(binary).hexdigest()[:12]}"


def pause_archive(binary: bytes, name: str) -> bytes:
    """An OCI archive of the image with one file, the same bytes for the same binary."""
    layer = _tar({"pause": (binary, 0o755)})
    packed = gzip.compress(layer, compresslevel=6, mtime=0)
    config = _document(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/pause"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _document(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(CONFIG_TYPE, config),
            "layers": [_descriptor(LAYER_TYPE, packed)],
        }
    )
    entry = {
        **_descriptor(MANIFEST_TYPE, manifest),
        "annotations": {"io.containerd.image.name": name},
    }
    index = _document(
        {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}
    )
    files = {
        "oci-layout": _document({"imageLayoutVersion": "1.0.0"}),
        "index.json": index,
    }
    for blob in (config, packed, manifest):
        files[f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"] = blob
    return _tar({path: (content, 0o644) for path, content in files.items()})


def archive_name(archive: Path) -> str | None:
    """The name that an OCI archive gives its image, or None."""
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile("index.json")
            index = json.load(member) if member else {}
    except (KeyError, tarfile.TarError, ValueError) as error:
        raise DevclusterError(f"{archive} is no OCI archive: {error}.") from error
    manifests = index.get("manifests", [])
    if len(manifests) != 1:
        raise DevclusterError(
            f"{archive} holds {len(manifests)} images; load takes one."
        )
    annotations = manifests[0].get("annotations", {})
    for key in ("io.containerd.image.name", "org.opencontainers.image.ref.name"):
        if key in annotations:
            return str(annotations[key])
    return None


def full_name(name: str) -> str:
    """Complete a name: the registry of the cluster and the tag `latest` go without saying."""
    name = name.removeprefix("localhost/").removeprefix("docker.io/library/")
    host, slash, _ = name.partition("/")
    has_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    complete = name if has_host else f"{REGISTRY}/{name}"
    return complete if ":" in complete.rpartition("/")[2] else f"{complete}:latest"


class Images:
    """The images of containerd."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def ensure_pause(self, binary: bytes) -> str:
        """Have the pause image there and give its name."""
        name = pause_image_name(binary)
        if name not in self.names():
            archive = self._settings.run / "pause.tar"
            archive.write_bytes(pause_archive(binary, name))
            self._ctr("images", "import", "--label", PIN, str(archive))
            archive.unlink()
        return name

    def load(self, archive: Path, name: str | None = None) -> str:
        """Push an OCI archive to the registry, pull it into containerd, and give its full name."""
        wanted = name or archive_name(archive)
        if wanted is None:
            raise DevclusterError(
                f"{archive} does not name its image: say it with --name."
            )
        complete = full_name(wanted)
        if not complete.startswith(f"{REGISTRY}/"):
            raise DevclusterError(
                f"The name {complete} belongs to another registry; images are loaded as "
                f"{REGISTRY}/<name>:<tag>, so that every node and person can fetch them there."
            )
        run(
            ["skopeo", "copy", "--quiet", "--preserve-digests", "--insecure-policy"]
            + [
                "--dest-tls-verify=false",
                f"oci-archive:{archive}",
                f"docker://{complete}",
            ],
            timeout=TRANSFER_TIMEOUT,
        )
        self.pull(complete)
        return complete

    def pull(self, name: str) -> None:
        """Fetch an image of the registry into containerd; the kubelet never removes it."""
        hosts = str(self._settings.certs_folder)
        labels = ["--label", PIN, "--label", MANAGED]
        self._ctr("images", "pull", "--hosts-dir", hosts, *labels, name)

    def names(self) -> list[str]:
        """Every name that containerd knows in the kubelet's namespace."""
        return self._ctr("images", "list", "--quiet").split()

    def _ctr(self, *arguments: str) -> str:
        socket = str(self._settings.containerd_socket)
        program = str(self._settings.bin / "ctr")
        command = [program, "-a", socket, "-n", NAMESPACE, *arguments]
        return run(command, timeout=TRANSFER_TIMEOUT)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _document(content: dict[str, object]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (content, mode) in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
