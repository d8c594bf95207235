"""Names of one inode that change while they are read are one file again at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshot_agent.tree.changes import Change
from tests.trees import differences, snapshot

from .overlays import Overlay, Saver, can_mount, overlay, rebuilt

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Overlay]:
    for name in ("a", "b", "z"):
        (tmp_path / "low" / name).mkdir(parents=True)
    with overlay(tmp_path / "mount", [tmp_path / "low"]) as made:
        yield made


def settle() -> None:
    time.sleep(0.06)


def check(mounted: Overlay, base: Path, layers: list[Path]) -> None:
    got = snapshot(rebuilt(mounted.lowers, base / "rebuilt", layers))
    told = differences(snapshot(mounted.merged), got)
    assert not told, "\n".join(told)


def test_an_inode_that_changes_between_the_looks_at_its_names(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    """Some names come out in that pass, the others do not; the pass after takes all."""
    m = mounted.merged
    (m / "a/name").write_text("old")
    folders = [m / f"folder-{number}" for number in range(9)]
    for folder in folders:
        folder.mkdir()
        os.link(m / "a/name", folder / "name")
    settle()
    layers = [saver.first()]
    settle()
    for folder in folders:
        (folder / "new").write_text("so that this folder comes out")
    settle()
    looked_at: list[str] = []

    def happens(change: Change) -> None:
        if change.path.endswith("/new"):
            looked_at.append(change.path)
            if len(looked_at) == 5:
                (m / "a/name").write_text("new")
                settle()

    layers.append(saver.second(happens))
    layers.append(saver.second())
    check(mounted, tmp_path, layers)


def test_all_names_are_as_settled_as_one(mounted: Overlay, saver: Saver) -> None:
    """The first was looked at again when it was read, the second with its folder."""
    (mounted.merged / "a/0").write_text("takes long")
    (mounted.merged / "a/one").write_text("content")
    os.link(mounted.merged / "a/one", mounted.merged / "a/two")

    def happens(change: Change) -> None:
        if change.path == "a/0":
            settle()

    saver.first(happens)
    came: list[str] = []
    saver.second(lambda change: came.append(change.path))
    assert ("a/one" in came) == ("a/two" in came)


def test_a_name_that_is_left_out_is_not_waited_for(
    mounted: Overlay, saver: Saver
) -> None:
    m = mounted.merged
    (m / "tmp").mkdir()
    (m / "a/one").write_text("content")
    os.link(m / "a/one", m / "tmp/two")
    settle()
    saver.first()
    (m / "a/one").write_text("changed")
    settle()
    for _ in range(3):
        saver.second()
    assert saver.entries == 0
