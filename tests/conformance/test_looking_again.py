"""After its last look a save looks again when something may have escaped it, and only then."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from snapshot_agent.capture.captured import Captured
from tests.trees import differences, snapshot

from .overlays import Overlay, can_mount, rebuilt
from .sessions import Sessions

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)

# Longer than the clock's tick that makes a time tell nothing (RACY_NS).
A_TICK = 0.06
AGAIN = "looking again"
# What is deleted there is in no layer of its own; elsewhere all would be read anew.
PLACES = ("var/here", "var/there")


@contextmanager
def saved_once(
    sessions: Sessions, file: str
) -> Iterator[tuple[Overlay, Captured, list[Path]]]:
    """A desktop with two folders, and maybe a file in one, which was saved a moment ago."""
    with sessions.desktop() as mounted:
        for place in PLACES:
            (mounted.merged / place).mkdir(parents=True)
        if file:
            (mounted.merged / file).write_text("all of an evening")
        time.sleep(A_TICK)
        first, layers = sessions.save(mounted)
        time.sleep(A_TICK)
        yield mounted, first, layers


def test_where_nothing_has_moved_there_is_no_second_look(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with saved_once(sessions, f"{PLACES[0]}/file") as (mounted, first, _):
        caplog.clear()
        second, layers = sessions.save(mounted, kept=first.kept)
        assert layers == [] and AGAIN not in caplog.text
        second.kept.close()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("source", [0, 1])
# Before the folder of both, and before each: at the last one the look has been in the other.
@pytest.mark.parametrize("moment", [1, 2, 3])
def test_at_whatever_moment_it_is_moved_it_is_in_the_image(
    moment: int, source: int, known: bool, sessions: Sessions
) -> None:
    """One of the two ways is against the order of the look; new names leave no trace behind."""
    before, after = f"{PLACES[source]}/moved", f"{PLACES[1 - source]}/moved"
    with saved_once(sessions, before if known else "") as (mounted, first, layers):
        calls = 0

        def check() -> None:
            nonlocal calls
            calls += 1
            if calls == moment:
                if not known:
                    (mounted.merged / before).write_text("all of an evening")
                (mounted.merged / before).rename(mounted.merged / after)

        second, more = sessions.save(mounted, kept=first.kept, check=check)
        second.kept.close()
        assert (mounted.merged / after).exists()
        got = rebuilt(sessions.lowers, sessions.folder("got"), layers + more)
        assert differences(snapshot(mounted.merged), snapshot(got)) == []
