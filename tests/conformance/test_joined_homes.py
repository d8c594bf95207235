"""Saves on saves, of the home above all: joined, an image is the same as if nothing were joined.

50 rounds here, 1,000 with DESKTOPS_ROUNDS=1000 (`make test-nightly`).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.containerd import Containerd
from snapshot_agent.exclusions import Rules
from tests.trees import Node, differences, snapshot

from .overlays import Overlay, can_mount, rebuilt
from .sessions import DEFAULTS, HOME, Sessions, home_rules
from .snapshots import attempt
from .steps import Step

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)

ROUNDS = int(os.environ.get("DESKTOPS_ROUNDS", "50"))
TOKEN = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
LARGEST = 5

# Few names, so that steps meet; in the home, one is left out and one is a cache.
NAMES = st.sampled_from(["a", "a", "b", "c", ".ssh", ".cache"])
PLACES = st.sampled_from([HOME, HOME, DEFAULTS, "opt"])
BELOW = st.one_of(
    st.lists(NAMES, min_size=1, max_size=2), st.lists(NAMES, min_size=1, max_size=3)
)
PATHS = st.tuples(PLACES, BELOW).map(lambda one: "/".join([one[0], *one[1]]))
ANY = st.one_of(PATHS, PATHS, PATHS, PLACES)
FILES = st.tuples(st.just("file"), PATHS, st.text("xy", max_size=3))
STEPS: st.SearchStrategy[Step] = st.one_of(
    FILES,
    FILES,
    st.tuples(st.just("folder"), PATHS, st.sampled_from([0o755, 0o700])),
    st.tuples(st.just("remove"), ANY),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("link"), PATHS, PATHS),
    st.tuples(st.just("symlink"), PATHS, st.sampled_from(["a", "/nowhere"])),
    st.tuples(st.just("append"), PATHS, st.just("more")),
    st.tuples(st.just("chmod"), ANY, st.sampled_from([0o755, 0o644, 0o700])),
    st.tuples(st.just("time"), PATHS, st.integers(0, 2**31)),
    st.tuples(st.just("xattr"), PATHS, st.just("user.x"), st.binary(max_size=4)),
    st.tuples(st.just("fifo"), PATHS),
    # Empty again, and so with nothing of the image in it.
    st.tuples(st.just("anew"), ANY),
)
EDITS = st.lists(STEPS, max_size=12)
SECRETS = st.tuples(st.just("file"), PATHS, st.just(TOKEN))
LAST = st.lists(st.one_of(STEPS, STEPS, STEPS, SECRETS), max_size=12)
RULES = st.builds(
    home_rules,
    asked=st.sampled_from([(), (), (f"/{HOME}/b",), ("/opt/a", f"/{DEFAULTS}/c")]),
    include_home=st.sampled_from([True, True, False]),
    mounts=st.sampled_from([(), (), (f"/{HOME}/c",), ("/opt/b",), (f"/{HOME}",)]),
)


def image(
    sessions: Sessions, mounted: Overlay, rules: Rules, joined: bool
) -> dict[str, Node]:
    """What the image of a save is."""
    captured, layers = sessions.save(
        mounted,
        joined=joined,
        rules=rules,
        settings=CaptureSettings(largest_file=LARGEST),
        canaries=(TOKEN,),
    )
    captured.kept.close()
    lowers = sessions.lowers[captured.joined :]
    return snapshot(rebuilt(lowers, sessions.folder("r"), layers))


@settings(
    max_examples=ROUNDS,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    origin=EDITS,
    saves=st.lists(EDITS, min_size=1, max_size=3),
    last=LAST,
    rules=RULES,
)
def test_the_same_image_as_without_joining(
    running_container: tuple[Containerd, str],
    origin: list[Step],
    saves: list[list[Step]],
    last: list[Step],
    rules: Rules,
) -> None:
    with tempfile.TemporaryDirectory(prefix="joined-", dir="/tmp") as folder:
        sessions = Sessions(Path(folder), *running_container)
        attempt(sessions.image(), origin)
        for steps in saves:
            with sessions.desktop() as mounted:
                attempt(mounted.merged, steps)
                captured, layers = sessions.save(mounted)
                captured.kept.close()
            sessions.start_from(layers)
        with sessions.desktop() as mounted:
            attempt(mounted.merged, last)
            plain, joined = (
                image(sessions, mounted, rules, joined) for joined in (False, True)
            )
            assert not differences(plain, joined)
