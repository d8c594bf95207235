"""Images of a few bytes in buildah's store, for tests of what is done with images."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_buildah = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("buildah") is None, reason="needs root and buildah"
)

Build = Callable[[str, str], str]
"""Builds a Dockerfile under a name and gives the name."""


@contextmanager
def building(folder: Path) -> Iterator[Build]:
    """Build with the files of a folder; all names are gone afterwards."""
    names: list[str] = []

    def build(name: str, dockerfile: str) -> str:
        file = folder / "Dockerfile"
        file.write_text(dockerfile)
        full = f"localhost/test-{os.getpid()}/{name}"
        command = ["buildah", "bud", "--layers", "--isolation", "chroot", "--quiet"]
        command += ["--format", "oci", "--tag", full, "--file", str(file), str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        names.append(full)
        return full

    try:
        yield build
    finally:
        for name in names:
            subprocess.run(["buildah", "rmi", "--force", name], capture_output=True)
