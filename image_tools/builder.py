"""Runs Dockerfiles with buildah: no daemon, root only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping

from image_tools.budget import check_budget, read_budgets
from image_tools.errors import BuildFailed, ParentMissing, TooLarge
from image_tools.images import ROOT, Image
from image_tools.layers import size_of

ARGUMENTS = {
    "base": ("GPU", "VSCODE"),
    "r": ("RSTUDIO_MIRROR",),
    "geomatics": ("QGIS_FROM",),
}
"""What of the environment reaches a Dockerfile."""
FULL = 200_000_000
"""Bytes below which a build that failed has most likely filled the disk."""


def build_arguments(image: Image, environment: Mapping[str, str]) -> dict[str, str]:
    """The build arguments that the environment sets for this image."""
    names = ARGUMENTS.get(image.name, ())
    return {name: environment[name] for name in names if environment.get(name)}


def is_here(reference: str) -> bool:
    """The image is in buildah's store."""
    command = ["buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}"]
    done = subprocess.run([*command, reference], capture_output=True, check=False)
    return done.returncode == 0


def build(
    image: Image,
    base: str,
    reference: str,
    say: Callable[[str], None],
    contexts: Mapping[str, str] | None = None,
    budgets: dict[str, int] | None = None,
) -> None:
    """Run the Dockerfile into buildah's store under this reference, within its budget.

    - A build that fails, or an image that is too large, leaves no image of that name.
    - One that is too large is kept under the tag `too-large`, so that the next build is short.
    - Layers that were made before are not made again.
    """
    if image.parent and not is_here(base):
        raise ParentMissing(image.name, base)
    # Before the build: what cannot be read must not leave an image that nobody measured.
    budgets = read_budgets() if budgets is None else budgets
    command = ["nice", "buildah", "bud", "--layers", "--isolation", "chroot"]
    command += ["--network", "host", "--pull=missing", "--quiet", "--format", "oci"]
    for name, folder in (contexts or {}).items():
        command += ["--build-context", f"{name}={folder}"]
    for name, value in build_arguments(image, os.environ).items():
        command += ["--build-arg", f"{name}={value}"]
    command += ["--build-arg", f"BASE_IMAGE={base}", "--tag", reference]
    command += ["--file", f"{image.folder}/Dockerfile", "."]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        raise BuildFailed(image.name, _disk_is_full())
    if image.desktop:
        size = size_of(reference)
        say(f"{image.name}: {size / 1e9:.2f} GB uncompressed")
        try:
            check_budget(image.name, size, budgets)
        except TooLarge:
            _rename(reference, f"{reference.rpartition(':')[0]}:too-large")
            raise


def _rename(reference: str, other: str) -> None:
    """Call an image otherwise; one that lost its only name would lose its layers as well."""
    subprocess.run(["buildah", "tag", reference, other], check=True)
    command = ["buildah", "rmi", reference]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _disk_is_full() -> bool:
    store = subprocess.check_output(
        ["buildah", "info", "--format", "{{.store.GraphRoot}}"], text=True
    )
    return shutil.disk_usage(store.strip()).free < FULL
