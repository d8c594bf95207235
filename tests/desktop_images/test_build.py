"""The order, the tags, the budget and the refusals of image builds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from image_tools.budget import FILE, check_budget
from image_tools.builder import build, build_arguments
from image_tools.errors import ParentMissing, TooLarge
from image_tools.images import (
    BY_NAME,
    DESKTOPS,
    IMAGES,
    ROOT,
    content_hash,
    with_parents,
)


def test_the_demo_builds_neither_r_nor_geomatics() -> None:
    names = [image.name for image in with_parents([])]
    assert "base" in names and "hub" in names
    assert not {"r", "geomatics"} & set(names)


def test_an_image_comes_after_what_it_is_made_from() -> None:
    built = [image.name for image in with_parents(["geomatics"])]
    assert built == ["base", "r", "geomatics"]
    assert [image.name for image in with_parents(["r"])] == ["base", "r"]


def test_the_tag_follows_the_parent_and_nothing_else() -> None:
    image = BY_NAME["r"]
    assert content_hash(image, "base:1") == content_hash(image, "base:1")
    assert content_hash(image, "base:1") != content_hash(image, "base:2")


def test_the_tag_follows_the_folder() -> None:
    draft = ROOT / "images/r/draft-of-a-test"
    before = content_hash(BY_NAME["r"], "base:1")
    try:
        draft.write_text("more")
        assert content_hash(BY_NAME["r"], "base:1") != before
    finally:
        draft.unlink()
    assert content_hash(BY_NAME["r"], "base:1") == before


def test_every_desktop_image_has_a_budget_and_the_family_is_whole() -> None:
    budgets = json.loads(FILE.read_text())
    family = {image.name for image in IMAGES if image.folder.startswith("images/")}
    assert family == set(budgets) == {"base", "r", "geomatics"}
    assert [image.name for image in DESKTOPS] == ["base", "r", "geomatics"]
    before: set[str] = set()
    for image in IMAGES:
        assert image.parent is None or image.parent in before
        before.add(image.name)


def test_an_image_over_its_budget_is_refused_with_the_figures() -> None:
    check_budget("base", 1_800_000_000, {"base": 1800})
    with pytest.raises(TooLarge, match=r"takes 1\.81 GB, and its budget is 1\.80 GB"):
        check_budget("base", 1_810_000_000, {"base": 1800})


def test_switches_reach_only_the_image_that_knows_them() -> None:
    environment = {"GPU": "yes", "QGIS_FROM": "qgis", "VSCODE": ""}
    assert build_arguments(BY_NAME["base"], environment) == {"GPU": "yes"}
    assert build_arguments(BY_NAME["geomatics"], environment) == {"QGIS_FROM": "qgis"}
    assert build_arguments(BY_NAME["hub"], environment) == {}


@pytest.mark.skipif(
    shutil.which("buildah") is None or os.getuid() != 0, reason="needs buildah and root"
)
def test_a_missing_parent_is_named_with_what_to_do() -> None:
    said: list[str] = []
    with pytest.raises(ParentMissing, match="scripts/build-images base$"):
        build(
            BY_NAME["r"],
            "localhost/nowhere/base:none",
            "localhost/x:y",
            said.append,
        )
    assert said == []


def test_an_unknown_image_is_refused() -> None:
    command = [f"{ROOT}/scripts/build-images", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no image called nothing" in done.stderr
