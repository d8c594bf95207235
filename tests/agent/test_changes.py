"""When a look at an entry can be trusted to show every later change."""

import os
from pathlib import Path

from snapshot_agent.tree.changes import RACY_NS, Change, Kind


def look(path: Path, later_ns: int) -> Change:
    found = os.lstat(path)
    return Change("f", Kind.FILE, "f", -1, found, found.st_ctime_ns + later_ns)


def test_a_look_in_the_same_tick_cannot_be_trusted(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.touch()
    assert look(path, 0).time() == -1
    assert look(path, RACY_NS - 1).time() == -1
    assert look(path, RACY_NS).time() == os.lstat(path).st_ctime_ns


def test_a_change_during_the_look_is_not_settled(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.touch()
    change = look(path, 10 * RACY_NS)
    change.settled = False
    assert change.time() == -1
