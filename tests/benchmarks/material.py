"""Trees like real software for benchmarks: many small files, few large ones, as compressible."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from oci.manifest import OCI_CONFIG, OCI_LAYER_ZSTD, OCI_MANIFEST
from snapshot_agent.image_spec import CREATED_BY
from tests.images import Image

# Programs, libraries, scripts and documents of this machine: their bytes are what is mixed.
_SOURCES = ("/usr/lib", "/usr/bin", "/usr/share")
_POOL = 160 << 20
_LARGEST_SOURCE = 8 << 20
# Seconds since the epoch, whole as in every image.
_WHEN = 1_700_000_000


@dataclass(frozen=True)
class Entry:
    """One directory, file or link of a made tree."""

    path: str
    kind: str
    data: bytes = b""


class Material:
    """The same bytes for the same seed on the same machine."""

    def __init__(self) -> None:
        files = []
        for source in _SOURCES:
            for folder, _, names in os.walk(source):
                files += [os.path.join(folder, name) for name in names]
        files.sort()
        random.Random(1).shuffle(files)
        pool = bytearray()
        for path in files:
            if len(pool) >= _POOL:
                break
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    pool += file.read(_LARGEST_SOURCE)
        self._pool = bytes(pool)

    def tree(self, seed: int, entries: int, size: int) -> Iterator[Entry]:
        """So many entries of so many bytes in all: a tenth directories, some links."""
        rng = random.Random(seed)
        folders, links = max(1, entries // 10), entries // 30
        files = max(1, entries - folders - links)
        paths = ["opt/software"]
        yield Entry("opt/software", "directory")
        for number in range(folders - 1):
            parent = rng.choice(paths[-200:] if number % 3 else paths)
            path = f"{parent}/{rng.choice(_WORDS)}-{seed}-{number}"
            if path.count("/") < 12:
                paths.append(path)
                yield Entry(path, "directory")
        weights = [rng.lognormvariate(0, 2) for _ in range(files)]
        scale = size / sum(weights)
        for number, weight in enumerate(weights):
            path = f"{rng.choice(paths)}/{rng.choice(_WORDS)}_{seed}_{number}.dat"
            yield Entry(path, "file", self.bytes(rng, int(weight * scale)))
        for number in range(links):
            path = f"{rng.choice(paths)}/lib{seed}_{number}.so"
            yield Entry(path, "link", f"lib{number}.so.1".encode())

    def bytes(self, rng: random.Random, count: int) -> bytes:
        pieces = []
        while count > 0:
            at = rng.randrange(len(self._pool))
            pieces.append(self._pool[at : at + count])
            count -= len(pieces[-1])
        return b"".join(pieces)


_WORDS = ("core", "utils", "data", "models", "locale", "include", "test", "widgets")


def write(root: Path, entries: Iterator[Entry]) -> None:
    """Put a tree into a folder."""
    for entry in entries:
        path = root / entry.path
        if entry.kind == "directory":
            path.mkdir(parents=True, exist_ok=True)
        elif entry.kind == "file":
            path.write_bytes(entry.data)
        else:
            path.symlink_to(entry.data.decode())


def base_image(
    layers: list[Iterator[Entry]], busybox: Path, saved: bool = False
) -> Image:
    """An image with these layers over one with busybox; compressed as fast as may be.

    With `saved` each of them is a save of a desktop.
    """
    packed = [_layer(iter([Entry("bin/busybox", "file", busybox.read_bytes())]))]
    packed += [_layer(layer) for layer in layers]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Env": ["PATH=/bin"],
                "Cmd": ["/bin/busybox", "sleep", "1000000"],
            },
            "rootfs": {"type": "layers", "diff_ids": [one[0] for one in packed]},
            "history": [{"created_by": "a build"}]
            + [
                {
                    "created_by": CREATED_BY if saved else "a build",
                    "created": f"2026-01-01T00:{minute:02}:00Z",
                }
                for minute in range(len(layers))
            ],
        }
    ).encode()
    blobs = [one[1] for one in packed]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, config),
            "layers": [descriptor(OCI_LAYER_ZSTD, blob) for blob in blobs],
        }
    ).encode()
    image = Image(manifest, config, blobs, [one[0] for one in packed])
    for data in (manifest, config, *blobs):
        image.blobs[_digest(data)] = data
    return image


def descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _layer(entries: Iterator[Entry]) -> tuple[str, bytes]:
    """The digest of the tar stream, and the stream packed."""
    command = ["zstd", "-q", "-1", "-T2", "-c"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as zstd:
        assert zstd.stdin is not None and zstd.stdout is not None
        child = os.fork()
        if child == 0:
            # A second process: one writes while the other reads.
            os._exit(_stream(entries, zstd.stdin))
        zstd.stdin.close()
        data = zstd.stdout.read()
        if os.waitpid(child, 0)[1] != 0:
            raise RuntimeError("the layer was not made")
    unpacked = subprocess.run(["zstd", "-qdc"], input=data, capture_output=True)
    return _digest(unpacked.stdout), data


def _stream(entries: Iterator[Entry], out: IO[bytes]) -> int:
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.mtime, info.mode = _WHEN, 0o755
            if entry.kind == "directory":
                info.type = tarfile.DIRTYPE
            elif entry.kind == "link":
                info.type, info.linkname = tarfile.SYMTYPE, entry.data.decode()
            else:
                info.size = len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data) if info.size else None)
    out.close()
    return 0
