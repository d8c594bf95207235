"""An OCI layout on disk: one image, its manifest and its blobs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_builder.errors import BuildError
from oci.manifest import Descriptor
from oci.reference import Digest


@dataclass(frozen=True)
class Layout:
    """The one image of a layout folder. Format: OCI image layout 1.1."""

    folder: Path
    descriptor: Descriptor
    """Of the manifest."""
    manifest: bytes

    @classmethod
    def open(cls, folder: Path) -> "Layout":
        """Read the index and the manifest."""
        index = json.loads(regular(folder / "index.json").read_bytes())
        descriptor = Descriptor.from_json(index["manifests"][0])
        return cls(folder, descriptor, _blob(folder, descriptor.digest).read_bytes())

    @property
    def content(self) -> dict[str, Any]:
        """The manifest's content."""
        return dict(json.loads(self.manifest))

    @property
    def config(self) -> Descriptor:
        """Where the configuration is."""
        return Descriptor.from_json(self.content["config"])

    @property
    def layers(self) -> list[Descriptor]:
        """The layers, lowest first."""
        return [Descriptor.from_json(one) for one in self.content["layers"]]

    def blob(self, digest: Digest) -> Path:
        """Return the file of a blob."""
        return _blob(self.folder, digest)


def regular(path: Path) -> Path:
    """Return the path of a plain file, or raise BuildError.

    What a Dockerfile ran could write into the folder: a link would make this step, which holds
    a password, read something else.
    """
    if any(one.is_symlink() for one in (path, *path.parents)) or not path.is_file():
        raise BuildError(
            "result_broken", "The build left no image behind.", file=str(path)
        )
    return path


def _blob(folder: Path, digest: Digest) -> Path:
    return regular(folder / "blobs" / digest.algorithm / digest.hex)
