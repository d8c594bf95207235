"""One image with the layers of all cases, and what a program in it must always be able to do."""

from __future__ import annotations

import shutil
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.images import Image, make_image

from .cases import CASES
from .steps import carry_out

# What a desktop does all day, in every directory of the image, as a program in the container.
SCRIPT = """
set -e
for folder in $(find / -xdev -type d ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' \
    -name '[a-z]*'); do
  cd "$folder" && touch probe-a && chmod 600 probe-a && mv probe-a probe-b && rm probe-b
  mkdir probe-d && chmod 700 probe-d && mv probe-d probe-e && rmdir probe-e
done
"""


def cases_image(folder: Path) -> Image:
    """A busybox, and below `cases` every case's own layers."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox on this machine: apt install busybox-static")
    depth = max(len(case.layers) for case in CASES)
    trees = [folder / f"layer-{number}" for number in range(depth)]
    for name in ("bin", "proc", "sys", "dev", "run", "tmp", "etc", "home/jovyan"):
        (trees[0] / name).mkdir(parents=True)
    shutil.copy(busybox, trees[0] / "bin/busybox")
    for case in CASES:
        for tree, steps in zip_longest(trees, case.layers, fillvalue=()):
            assert isinstance(tree, Path)
            if steps:
                (tree / "cases" / case.name).mkdir(parents=True)
                carry_out(tree / "cases" / case.name, steps)
    return make_image(trees, {"PATH": "/bin"})
