"""What a build added to its base: packages, the biggest files, how much."""

import heapq
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any, cast

import zstandard

from image_builder.layout import Layout
from oci.manifest import OCI_LAYER_ZSTD, Descriptor
from oci.packages import (
    DPKG_LIMIT,
    DPKG_STATUS,
    Versions,
    difference,
    dist_info,
    dpkg_versions,
)

BIGGEST = 10
WHITEOUT = ".wh."


@dataclass
class Contents:
    """What some layers hold together."""

    status: bytes | None = None
    """dpkg's list, when a layer changes it."""
    added: Versions = field(default_factory=dict)
    removed: Versions = field(default_factory=dict)
    """Python packages by their metadata folders."""
    biggest: list[tuple[int, str]] = field(default_factory=list)
    entries: int = 0
    bytes: int = 0


def changes(layout: Layout, base: Sequence[Descriptor]) -> dict[str, Any]:
    """Return packages, biggest, entries and changed_bytes as a save's result has them.

    `base` are the lowest layers of the image. They are only read when a layer above changes
    dpkg's list, and from the top until one has it.
    """
    found = Contents()
    for layer in layout.layers[len(base) :]:
        _read(layout, layer, found)
    before, after = dict(found.removed), dict(found.added)
    if found.status is not None:
        before |= dpkg_versions(_status(layout, base))
        after |= dpkg_versions(found.status)
    top = heapq.nlargest(BIGGEST, found.biggest)
    return {
        "packages": difference(before, after),
        "biggest": [{"path": f"/{path}", "bytes": size} for size, path in top],
        "entries": found.entries,
        "changed_bytes": found.bytes,
    }


def _read(layout: Layout, layer: Descriptor, found: Contents) -> None:
    with _members(layout, layer) as members:
        for tar, member in members:
            path = PurePosixPath(_relative(member.name))
            found.entries += 1
            if path.name.startswith(WHITEOUT):
                gone = dist_info(path.name.removeprefix(WHITEOUT))
                if gone:
                    found.removed[gone[0]] = gone[1]
            elif member.isdir():
                package = dist_info(path.name)
                if package:
                    found.added[package[0]] = package[1]
            elif member.isfile():
                found.bytes += member.size
                heapq.heappush(found.biggest, (member.size, str(path)))
                if len(found.biggest) > BIGGEST:
                    heapq.heappop(found.biggest)
                if str(path) == DPKG_STATUS:
                    found.status = _content(tar, member)


def _status(layout: Layout, base: Sequence[Descriptor]) -> bytes:
    for layer in reversed(base):
        with _members(layout, layer) as members:
            for tar, member in members:
                if _relative(member.name) == DPKG_STATUS and member.isfile():
                    return _content(tar, member)
    return b""


def _relative(name: str) -> str:
    return name.removeprefix("./").lstrip("/")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read(DPKG_LIMIT) if file else b""


@contextmanager
def _members(
    layout: Layout, layer: Descriptor
) -> Iterator[Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]]:
    with layout.blob(layer.digest).open("rb") as file:
        source: IO[bytes] = file
        mode = "r|*"
        if layer.media_type == OCI_LAYER_ZSTD:
            source = cast(IO[bytes], zstandard.ZstdDecompressor().stream_reader(file))
            mode = "r|"
        with tarfile.open(fileobj=source, mode=mode) as tar:  # type: ignore[call-overload]
            yield ((tar, member) for member in tar)
