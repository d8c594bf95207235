"""The cases as data: on plain overlay mounts, one by one, in every order of passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.trees import differences, snapshot

from .case import Case, Steps
from .cases import CASES
from .overlays import Overlay, Saver, can_mount, overlay, rebuilt
from .steps import carry_out

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@contextmanager
def desktop(case: Case, base: Path, joined: int = 0) -> Iterator[tuple[Overlay, Saver]]:
    """A session of the case's image, and what saves it, `joined` with so many layers."""
    lowers: list[Path] = []
    for number, steps in enumerate(case.layers):
        (base / str(number)).mkdir()
        carry_out(base / str(number), steps, kernel=True)
        lowers.insert(0, base / str(number))
    with overlay(base / "mount", lowers) as mounted:
        saver = Saver(mounted, base / "spool", joined=joined)
        try:
            yield mounted, saver
        finally:
            saver.close()


def check(mounted: Overlay, base: Path, layers: list[Path], joined: int = 0) -> None:
    there = snapshot(mounted.merged)
    got = snapshot(rebuilt(mounted.lowers[joined:], base / "rebuilt", layers))
    told = differences(there, got)
    assert not told, "\n".join(told)


@EVERY_CASE
@pytest.mark.parametrize("late_first", [False, True], ids=["as told", "all late"])
def test_two_passes(case: Case, late_first: bool, tmp_path: Path) -> None:
    first: Steps = () if late_first else case.session
    second: Steps = case.session + case.late if late_first else case.late
    with desktop(case, tmp_path) as (mounted, saver):
        carry_out(mounted.merged, first)
        layers = [saver.first()]
        carry_out(mounted.merged, second)
        layers.append(saver.second())
        check(mounted, tmp_path, layers)


@EVERY_CASE
def test_one_pass(case: Case, tmp_path: Path) -> None:
    with desktop(case, tmp_path) as (mounted, saver):
        carry_out(mounted.merged, case.session + case.late)
        check(mounted, tmp_path, [saver.first()])


@EVERY_CASE
@pytest.mark.parametrize("late_first", [False, True], ids=["as told", "all late"])
def test_joined_with_earlier_saves(
    case: Case, late_first: bool, tmp_path: Path
) -> None:
    """All layers but the first are earlier saves, and become one below this one."""
    joined = len(case.layers) - 1
    second = case.session + case.late if late_first else case.late
    with desktop(case, tmp_path, joined) as (mounted, saver):
        if not late_first:
            carry_out(mounted.merged, case.session)
        layers = [*saver.join(), saver.first()]
        carry_out(mounted.merged, second)
        layers.append(saver.second())
        check(mounted, tmp_path, layers, joined)
