"""Random trees and random edits: our layers against containerd's own Diff of the same snapshot.

50 rounds here, 1,000 with DESKTOPS_ROUNDS=1000 (`make test-nightly`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from snapshot_agent.tree.changes import Change
from tests.trees import Node, apply, differences, snapshot

from . import containerds
from .cases_of_others import CAPABILITY
from .containerds import find_containerd, find_old_containerd, running
from .nodes import unmount_below
from .overlays import Saver, can_mount
from .snapshots import Mounted, Snapshots, attempt, flat
from .steps import Step

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]

ROUNDS = int(os.environ.get("DESKTOPS_ROUNDS", "50"))

# Few names, so that steps meet; one sorts between `a` and what is in it.
NAMES = st.sampled_from(["a", "b", "c", "a-b", "é", "\udcff"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
MODES = st.sampled_from([0o700, 0o755, 0o644, 0o4755, 0o1777, 0])
TARGETS = st.sampled_from(["a", "../b", "/a/b", "/nowhere", "."])
# No sockets: where one hides a file of the image, containerd's Diff brings that file back.
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("file"), PATHS, st.text("xy", max_size=3), MODES),
    st.tuples(st.just("file"), PATHS, st.text("xy", max_size=3)),
    st.tuples(st.just("folder"), PATHS, st.sampled_from([0o755, 0o700])),
    st.tuples(st.just("remove"), PATHS),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("link"), PATHS, PATHS),
    st.tuples(st.just("symlink"), PATHS, TARGETS),
    st.tuples(st.just("append"), PATHS, st.just("more")),
    st.tuples(st.just("chmod"), PATHS, MODES),
    st.tuples(
        st.just("owner"), PATHS, st.integers(0, 70000), st.sampled_from([0, 100])
    ),
    st.tuples(st.just("time"), PATHS, st.integers(0, 2**33)),
    st.tuples(
        st.just("xattr"), PATHS, st.just("security.capability"), st.just(CAPABILITY)
    ),
    st.tuples(st.just("xattr"), PATHS, st.just("user.x"), st.binary(max_size=4)),
    st.tuples(st.just("fifo"), PATHS),
    st.tuples(st.just("device"), PATHS, st.just(0o020000), st.just(1), st.just(3)),
)
EDITS = st.lists(STEPS, max_size=25)


@pytest.fixture(scope="module", params=["1.6", "2"])
def snapshots(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Snapshots]:
    old = request.param == "1.6"
    release = find_old_containerd() if old else find_containerd()
    if release is None:
        pytest.skip(containerds.MISSING_OLD if old else containerds.MISSING)
    home = Path(tempfile.mkdtemp(prefix="ctd-", dir="/tmp"))
    try:
        with running(release, home, tmp_path_factory.mktemp("log")) as daemon:
            made = Snapshots(daemon.ctr, f"{home}/c.sock", home)
            yield made
            made.close()
    finally:
        unmount_below(home)
        shutil.rmtree(home)


def as_containerd_sees(tree: dict[str, Node]) -> dict[str, Node]:
    """Without what its Diff loses: attributes, and a folder's time when only that changed."""
    return {
        path: replace(
            node,
            mtime=0 if node.type == "d" else node.mtime,
            xattrs=tuple(one for one in node.xattrs if one[0][:5] != "user."),
        )
        for path, node in tree.items()
    }


@settings(
    # Half of the rounds on each of the two containerds.
    max_examples=max(1, ROUNDS // 2),
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    layers=st.lists(EDITS, min_size=1, max_size=3),
    joined=st.integers(0, 3),
    first=EDITS,
    between=EDITS,
    at=st.integers(0, 12),
    second=EDITS,
)
def test_the_same_tree_as_containerd_s_diff(
    snapshots: Snapshots,
    layers: list[list[Step]],
    joined: int,
    first: list[Step],
    between: list[Step],
    at: int,
    second: list[Step],
) -> None:
    """Ours also with layers of the image that become one; meanwhile `between` happens."""
    joined = min(joined, len(layers))
    with tempfile.TemporaryDirectory(prefix="diff-", dir="/tmp") as folder:
        base, parent = Path(folder), ""
        try:
            for steps in [[("folder", "base")], *layers]:
                parent = snapshots.commit(parent, steps)
            with snapshots.active(parent) as mounted:
                saver = Saver(mounted, base / "spool", joined=joined)
                try:
                    attempt(mounted.merged, first)
                    ours = join(saver, mounted, between, at)
                    ours.append(saver.first())
                    attempt(mounted.merged, second)
                    ours.append(saver.second())
                finally:
                    saver.close()
                theirs = [snapshots.diff(mounted.key, base / "theirs.tar")]
                there = snapshot(mounted.merged)
                got = {
                    "ours": rebuilt(mounted, base / "ours", ours, joined),
                    "theirs": rebuilt(mounted, base / "theirs", theirs),
                }
        finally:
            snapshots.clear()
        note(f"{layers=} {joined=} {first=} {between=} {at=} {second=}")
        note(f"by ours: {differences(there, got['ours'])}")
        note(f"by theirs: {differences(there, got['theirs'])}")
        assert not differences(there, got["ours"])
        assert not differences(
            as_containerd_sees(got["theirs"]), as_containerd_sees(got["ours"])
        )


def join(saver: Saver, mounted: Mounted, between: list[Step], at: int) -> list[Path]:
    """The layer that is joined; `between` is done after so many of its changes, or all."""
    left = at

    def happens(change: Change | None = None) -> None:
        nonlocal left
        left -= 1
        if left == 0 or (change is None and left > 0):
            attempt(mounted.merged, between)

    if not at:
        attempt(mounted.merged, between)
    made = saver.join(happens)
    happens()
    return made


def rebuilt(
    mounted: Mounted, base: Path, layers: list[Path], joined: int = 0
) -> dict[str, Node]:
    target = flat(replace(mounted, lowers=mounted.lowers[joined:]), base)
    for layer in layers:
        apply(layer, target)
    return snapshot(target)
