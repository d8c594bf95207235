"""A second save that has to read all again: whether earlier saves are joined is asked anew."""

from __future__ import annotations

import pytest

from tests.trees import differences, snapshot

from .overlays import can_mount, rebuilt
from .sessions import Sessions, saved

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)


@pytest.mark.parametrize("may_join", [True, False])
def test_what_is_read_anew_is_joined_only_if_there_is_room_still(
    may_join: bool, sessions: Sessions
) -> None:
    with saved(sessions) as mounted:
        (mounted.merged / "opt/earlier").write_text("of the session before")
    with sessions.desktop() as mounted:
        (mounted.merged / "opt/mine").write_text("to be deleted")
        first, _ = sessions.save(mounted, joined=True)
        assert first.joined == len(sessions.lowers) - sessions.origin
        # Who deletes what was saved wants it in no layer: all is read anew.
        (mounted.merged / "opt/mine").unlink()
        second, layers = sessions.save(
            mounted, joined=True, kept=first.kept, may_join=may_join
        )
        assert (second.joined, second.earlier) == (first.joined * may_join, [])
        below = sessions.lowers[second.joined :]
        got = rebuilt(below, sessions.folder("got"), layers)
        assert differences(snapshot(mounted.merged), snapshot(got)) == []
        second.kept.close()
