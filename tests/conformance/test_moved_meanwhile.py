"""Files that are moved while a pass looks: the pass after it finds them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from snapshot_agent.tree.changes import Change
from tests.trees import differences, snapshot

from .overlays import Saver, can_mount, overlay, rebuilt

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)


def test_what_is_moved_from_where_a_pass_has_still_to_come(tmp_path: Path) -> None:
    """That pass finds it at neither place, and the next one does."""
    (tmp_path / "low").mkdir()
    with overlay(tmp_path / "mount", [tmp_path / "low"]) as mounted:
        saver = Saver(mounted, tmp_path / "spool")
        folders = [mounted.merged / f"folder-{number}" for number in range(9)]
        for folder in folders:
            folder.mkdir()
            (folder / "file").write_text(folder.name)
        time.sleep(0.06)
        layers = [saver.first()]
        for folder in folders:
            (folder / "new").write_text("so that this folder comes out")
        seen: list[Path] = []

        def happens(change: Change) -> None:
            if change.path.endswith("/new"):
                seen.append(mounted.merged / change.path)
                if len(seen) == 5:
                    last = next(one for one in folders if one / "new" not in seen)
                    (last / "file").rename(seen[0].parent / "moved")

        def missing(where: str) -> list[str]:
            got = rebuilt(mounted.lowers, tmp_path / where, layers)
            return differences(snapshot(mounted.merged), snapshot(got))

        time.sleep(0.06)
        since = time.time_ns()
        layers.append(saver.second(happens))
        # Its folders have another time as well, when a second has begun meanwhile.
        assert f"missing: {seen[0].parent.name + '/moved'!r}" in missing("before")
        assert saver.index.may_have_missed(since)
        layers.append(saver.second())
        assert missing("after") == []
        saver.close()


def test_a_pass_knows_when_nothing_can_have_escaped_it(tmp_path: Path) -> None:
    (tmp_path / "low").mkdir()
    with overlay(tmp_path / "mount", [tmp_path / "low"]) as mounted:
        saver = Saver(mounted, tmp_path / "spool")
        folders = [mounted.merged / f"folder-{number}" for number in range(3)]
        for folder in folders:
            folder.mkdir()
            (folder / "file").write_text(folder.name)
        time.sleep(0.06)
        saver.first()
        for folder in folders:
            (folder / "file").write_text("so that this folder comes out")
        time.sleep(0.06)
        since = time.time_ns()
        saver.second()
        assert not saver.index.may_have_missed(since)

        def happens(change: Change) -> None:
            here = (mounted.merged / change.path).parent
            other = next(folder for folder in folders if folder != here)
            if change.path.endswith("/file") and other.exists():
                other.rename(here / "moved")

        for folder in folders:
            (folder / "file").write_text("and again")
        time.sleep(0.06)
        since = time.time_ns()
        saver.second(happens)
        # No folder that was looked at has lost a name since: one could not be looked at.
        assert saver.index.may_have_missed(since)
        saver.close()
