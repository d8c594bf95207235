"""Folders that are left out: what of the image is deleted in them is deleted all the same."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshot_agent.tree.frame import MOST_NAMES
from tests.trees import snapshot

from .overlays import Overlay, Saver, can_mount, overlay, rebuilt

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)

CACHE = "home/jovyan/.cache"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Overlay]:
    low = tmp_path / "low"
    for name in ("one/deep", "two", "three/deep"):
        (low / CACHE / name).mkdir(parents=True)
        (low / CACHE / name / "file").write_text(name)
        (low / CACHE / name / "other").write_text(name)
    with overlay(tmp_path / "mount", [low]) as made:
        yield made


def delete(root: Path) -> None:
    (root / CACHE / "one/deep/file").unlink()
    shutil.rmtree(root / CACHE / "two")
    shutil.rmtree(root / CACHE / "three")
    (root / CACHE / "three").mkdir()
    (root / CACHE / "three/litter").write_text("left out")


LEFT = {"one", "one/deep", "one/deep/other", "three"}


def test_deleted_between_the_passes(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    """The folder is in no layer before, and no other change tells of it."""
    layers = [saver.first()]
    delete(mounted.merged)
    layers.append(saver.second())
    got = rebuilt(mounted.lowers, tmp_path / "rebuilt", layers)
    assert set(snapshot(got / CACHE)) == LEFT


def test_deleted_below_a_folder_that_was_looked_at(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    (mounted.merged / CACHE / "one/deep/litter").write_text("left out")
    (mounted.merged / CACHE / "three/litter").write_text("left out")
    time.sleep(0.06)
    layers = [saver.first()]
    delete(mounted.merged)
    layers.append(saver.second())
    got = rebuilt(mounted.lowers, tmp_path / "rebuilt", layers)
    assert set(snapshot(got / CACHE)) == LEFT
    # Nothing more happened, so nothing more comes out, once all times can be told apart.
    for _ in range(2):
        time.sleep(0.06)
        saver.second()
    assert saver.entries == 0


def test_what_is_in_no_image_is_not_remembered(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    """A cache of a hundred thousand files costs a save nothing while the desktop stands still."""
    for number in range(20):
        (mounted.merged / CACHE / f"mine/{number}").mkdir(parents=True)
    saver.first()
    known = saver.index.directories
    os.makedirs(mounted.merged / CACHE / "mine/more/and/more")
    saver.second()
    assert saver.index.directories == known


def test_more_names_than_are_looked_at_at_once(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    """A cache with so many files keeps nobody from saving; what is around it is exact."""
    many = mounted.merged / CACHE / "many"
    (many / "deep").mkdir(parents=True)
    (many / "deep/file").write_bytes(b"1" * 5000)
    folder = os.open(many, os.O_RDONLY | os.O_DIRECTORY)
    for name in range(MOST_NAMES + 1):
        os.mknod(str(name), dir_fd=folder)
    os.close(folder)
    delete(mounted.merged)
    got = rebuilt(mounted.lowers, tmp_path / "rebuilt", [saver.first()])
    assert set(snapshot(got / CACHE)) == LEFT
    told = [size for path, _, size in saver.left_out if path == f"{CACHE}/many"]
    # The folder itself, what is in it, and what is in the one below it.
    assert (len(told), sum(told)) == (MOST_NAMES + 4, 5000)
