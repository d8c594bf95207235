"""What is in the layers of an image, read in the registry itself."""

import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any

import httpx
import zstandard

# Elsewhere the runtime mounts something, or nothing is saved.
USUAL = ("usr/", "opt/", "home/")
ANY = "application/vnd.oci.image.manifest.v1+json"
ANY += ", application/vnd.docker.distribution.manifest.v2+json"


class SavedImage:
    """One image of a registry, by its digest or tag."""

    def __init__(self, registry: httpx.Client, repository: str, reference: str) -> None:
        self._registry = registry
        self._path = f"/v2/{repository}"
        reply = registry.get(
            f"{self._path}/manifests/{reference}", headers={"Accept": ANY}
        )
        assert reply.is_success, reply.text
        self.manifest = reply.content
        self._content: dict[str, Any] = json.loads(self.manifest)

    @property
    def layers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._content["layers"]
        return found

    def config(self) -> bytes:
        """Return the configuration as it is."""
        digest = self._content["config"]["digest"]
        return self._registry.get(f"{self._path}/blobs/{digest}").content

    def documents(self) -> dict[str, bytes]:
        """Return what an image is besides its layers."""
        return {"manifest": self.manifest, "config": self.config()}

    @contextmanager
    def tar(self, layer: dict[str, Any]) -> Iterator[IO[bytes]]:
        """Have a layer's tar file, unpacked if a save has made it."""
        with tempfile.TemporaryFile() as file:
            unpack = zstandard.ZstdDecompressor().decompressobj()
            url = f"{self._path}/blobs/{layer['digest']}"
            with self._registry.stream("GET", url) as reply:
                for piece in reply.iter_bytes(1 << 20):
                    file.write(unpack.decompress(piece) if saved(layer) else piece)
            file.seek(0)
            yield file

    def a_file_of_each_layer(self) -> list[str]:
        """Return the path of one small file for every layer that has one in a usual place."""
        found = (self._usual_file(layer) for layer in self.layers)
        return [one for one in found if one is not None]

    def _usual_file(self, layer: dict[str, Any]) -> str | None:
        with self.tar(layer) as file, tarfile.open(fileobj=file, mode="r:*") as tar:
            for member in tar:
                path = PurePosixPath("/", member.name)
                usual = str(path).removeprefix("/").startswith(USUAL)
                small = member.isreg() and 0 < member.size < 100_000
                if usual and small and not path.name.startswith(".wh."):
                    return str(path)
        return None


def saved(layer: dict[str, Any]) -> bool:
    """Say whether a save has made a layer; those of the images here are made by buildah."""
    return "zstd" in str(layer["mediaType"])
