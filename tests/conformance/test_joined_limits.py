"""What joining costs, and what stands in its way: then the save is made without it."""

from __future__ import annotations

import os
import resource
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.joining import MOST_LAYERS
from snapshot_agent.failures import is_full
from snapshot_agent.tree.frame import MOST_NAMES, TooManyNames
from snapshot_agent.tree.joined import JoinedLayers
from snapshot_agent.tree.lower import LowerView
from tests.trees import differences, snapshot

from .overlays import can_mount, rebuilt
from .sessions import DEFAULTS, HOME, Sessions, home_rules, saved

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)

TOKEN = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
MANY, DEEP = 20, 450


def deepen(sessions: Sessions) -> None:
    """So many layers that none can be added unless they are joined."""
    for _ in range(MOST_LAYERS - 20):
        sessions.lowers.insert(0, sessions.folder("l"))


@pytest.mark.parametrize("content", [TOKEN, b"x" * 100], ids=["secret", "too large"])
@pytest.mark.parametrize("deep", [False, True], ids=["may", "must"])
def test_what_is_left_out_leaves_what_was_saved_before(
    deep: bool, content: bytes, sessions: Sessions
) -> None:
    """Also where there are so many layers that nothing is saved unless they are joined."""
    with saved(sessions) as mounted:
        (mounted.merged / HOME / "mine").write_text("before")
    if deep:
        deepen(sessions)
    with sessions.desktop() as mounted:
        (mounted.merged / HOME / "mine").write_bytes(content)
        captured, layers = sessions.save(
            mounted,
            joined=True,
            canaries=(TOKEN,),
            settings=CaptureSettings(largest_file=50),
        )
        captured.kept.close()
        assert captured.joined or not deep
        lowers = sessions.lowers[captured.joined :]
        got = rebuilt(lowers, sessions.folder("r"), layers)
        for place in (HOME, DEFAULTS):
            assert (got / place / "mine").read_text() == "before"


def test_what_is_never_still_leaves_what_was_saved_before(sessions: Sessions) -> None:
    with saved(sessions) as mounted:
        (mounted.merged / "opt/mine").write_text("before")

    with sessions.desktop() as mounted, ExitStack() as held:

        def check() -> None:
            """Another file each time, between the look at it and its opening."""
            next_one = mounted.merged / "opt/next"
            # Held, or the file system would give its inode to another one at once.
            held.enter_context(next_one.open("w")).write("now")
            next_one.replace(mounted.merged / "opt/mine")

        check()
        captured, layers = sessions.save(mounted, joined=True, check=check)
        captured.kept.close()
        lowers = sessions.lowers[captured.joined :]
        got = rebuilt(lowers, sessions.folder("r"), layers)
        assert (got / "opt/mine").read_text() == "before"


def test_a_large_home_is_several_layers(sessions: Sessions) -> None:
    """Though each of its files has a second name where homes begin from."""
    with saved(sessions) as mounted:
        for number in range(20):
            content = os.urandom(100_000)
            (mounted.merged / HOME / f"{number}").write_bytes(content)
    with sessions.desktop() as mounted:
        (mounted.merged / "opt/mine").write_text("mine")
        captured, layers = sessions.save(
            mounted,
            joined=True,
            settings=CaptureSettings(layer_bytes=500_000),
            apparent=2_000_000,
        )
        captured.kept.close()
        # Not those of the home: they were there before.
        assert captured.content_bytes < 100_000
        found = [
            [name for name in names_in(layer) if name.startswith(f"{HOME}/")]
            for layer in layers
        ]
        assert sum(map(len, found)) == 20 and sum(map(bool, found)) == 2
        lowers = sessions.lowers[captured.joined :]
        got = rebuilt(lowers, sessions.folder("r"), layers)
        assert not differences(snapshot(mounted.merged), snapshot(got))


def test_an_own_folder_keeps_what_was_saved_into_it(sessions: Sessions) -> None:
    """Where the person has touched the defaults, what becomes of the home changes nothing."""
    with saved(sessions) as mounted:
        (mounted.merged / HOME / "folder").mkdir()
        (mounted.merged / HOME / "folder/file").write_text("saved")
    with sessions.desktop() as mounted:
        (mounted.merged / DEFAULTS / "folder").chmod(0o700)
        shutil.rmtree(mounted.merged / HOME / "folder")
        captured, layers = sessions.save(mounted, joined=True)
        captured.kept.close()
        assert captured.joined
        lowers = sessions.lowers[captured.joined :]
        got = rebuilt(lowers, sessions.folder("r"), layers)
        assert not (got / HOME / "folder").exists()
        assert (got / DEFAULTS / "folder/file").read_text() == "saved"


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("moment", [4, 5])
def test_a_folder_that_becomes_the_persons_own_meanwhile(
    moment: int, joined: bool, sessions: Sessions
) -> None:
    with saved(sessions) as mounted:
        (mounted.merged / HOME / "folder").mkdir()
        (mounted.merged / HOME / "folder/file").write_text("saved")
        (mounted.merged / "opt/file").write_text("comes after it")
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == moment:
            # At 4, home, home/jovyan and home_nbuser_default were looked at.
            (mounted.merged / DEFAULTS / "folder").chmod(0o700)

    with sessions.desktop() as mounted:
        shutil.rmtree(mounted.merged / HOME / "folder")
        captured, layers = sessions.save(mounted, joined=joined, check=check)
        captured.kept.close()
        if looks < moment:
            pytest.skip("it was over before")
        lowers = sessions.lowers[captured.joined :]
        got = rebuilt(lowers, sessions.folder("r"), layers)
        assert (got / DEFAULTS / "folder/file").read_text() == "saved"


def test_an_own_folder_where_no_more_layers_fit(sessions: Sessions) -> None:
    """It is joined once more, and seen then."""
    with saved(sessions) as mounted:
        (mounted.merged / HOME / "folder").mkdir()
        (mounted.merged / HOME / "folder/file").write_text("saved")
    deepen(sessions)
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            (mounted.merged / DEFAULTS / "folder").chmod(0o700)

    with sessions.desktop() as mounted:
        shutil.rmtree(mounted.merged / HOME / "folder")
        captured, layers = sessions.save(mounted, joined=True, check=check)
        captured.kept.close()
        assert captured.joined and looks > 5
        lowers = sessions.lowers[captured.joined :]
        got = rebuilt(lowers, sessions.folder("r"), layers)
        assert (got / DEFAULTS / "folder/file").read_text() == "saved"


def test_an_own_folder_over_what_an_earlier_save_has_deleted(
    sessions: Sessions,
) -> None:
    (sessions.lowers[0] / HOME / "folder").mkdir()
    (sessions.lowers[0] / DEFAULTS / "folder").mkdir()
    (sessions.lowers[0] / DEFAULTS / "folder/file").write_text("of the image")
    with sessions.desktop() as mounted:
        (mounted.merged / HOME / "folder").rmdir()
        first, layers = sessions.save(mounted)
        assert any(f"{DEFAULTS}/.wh.folder" in names_in(layer) for layer in layers)
        (mounted.merged / DEFAULTS / "folder").chmod(0o700)
        captured, layers = sessions.save(mounted, kept=first.kept)
        captured.kept.close()
        assert not captured.earlier
        got = rebuilt(sessions.lowers, sessions.folder("r"), layers)
        assert (got / DEFAULTS / "folder/file").read_text() == "of the image"


@pytest.mark.parametrize("count", [3, 8])
def test_all_that_is_left_out_leaves_what_was_saved_in_one_more_reading(
    count: int, sessions: Sessions
) -> None:
    with saved(sessions) as mounted:
        for number in range(count):
            (mounted.merged / f"opt/{number}").write_text("before")
    deepen(sessions)
    with sessions.desktop() as mounted:
        for number in range(count):
            (mounted.merged / f"opt/{number}").write_bytes(TOKEN)
        captured, layers = sessions.save(mounted, joined=True, canaries=(TOKEN,))
        captured.kept.close()
        lowers = sessions.lowers[captured.joined :]
        got = rebuilt(lowers, sessions.folder("r"), layers)
        for number in range(count):
            assert (got / f"opt/{number}").read_text() == "before"


def test_an_emptied_folder_below_a_volume_stays_empty(sessions: Sessions) -> None:
    (sessions.lowers[0] / "opt/folder").mkdir()
    (sessions.lowers[0] / "opt/folder/of-the-image").touch()
    with saved(sessions) as mounted:
        shutil.rmtree(mounted.merged / "opt/folder")
        (mounted.merged / "opt/folder").mkdir()
    with sessions.desktop() as mounted:
        rules = home_rules(mounts=("/opt/folder",))
        captured, layers = sessions.save(mounted, joined=True, rules=rules)
        captured.kept.close()
        assert captured.joined
        lowers = sessions.lowers[captured.joined :]
        got = rebuilt(lowers, sessions.folder("r"), layers)
        assert os.listdir(got / "opt/folder") == []


def test_where_there_is_no_room_for_both_the_desktop_is_saved(
    sessions: Sessions,
) -> None:
    with saved(sessions) as mounted:
        (mounted.merged / "opt/before").write_bytes(os.urandom(8 << 20))
    with sessions.desktop() as mounted:
        (mounted.merged / "opt/now").write_bytes(os.urandom(1 << 20))
        # For each of them, also when it is read a second time, and not for both.
        room = 9 << 20
        captured, layers = sessions.save(mounted, joined=True, room=room)
        captured.kept.close()
        assert captured.joined == 0
        got = rebuilt(sessions.lowers, sessions.folder("r"), layers)
        assert not differences(snapshot(mounted.merged), snapshot(got))


def test_a_full_disk_is_named_where_nothing_is_saved_without_joining(
    sessions: Sessions,
) -> None:
    with saved(sessions) as mounted:
        (mounted.merged / "opt/before").write_bytes(os.urandom(8 << 20))
    deepen(sessions)
    with sessions.desktop() as mounted, pytest.raises(OSError) as full:
        sessions.save(mounted, joined=True, room=4 << 20)
    assert is_full(full.value)


def test_a_folder_with_too_many_names_in_all(tmp_path: Path) -> None:
    layers = [tmp_path / "1", tmp_path / "2"]
    for number, layer in enumerate(layers):
        layer.mkdir()
        (layer / "0").touch()
        for name in range(MOST_NAMES // 2):
            # Few inodes have room for so many names.
            if not name % 60_000:
                first = layer / f"{number}-{name}"
                first.touch()
            else:
                os.link(first, layer / f"{number}-{name}")
    with LowerView([]) as nothing, JoinedLayers([str(layers[0])], nothing) as one:
        assert sum(1 for _ in one.walk()) == MOST_NAMES // 2 + 1
    with LowerView([]) as nothing:
        with JoinedLayers([str(layer) for layer in layers], nothing) as both:
            with pytest.raises(TooManyNames):
                list(both.walk())


def names_in(layer: Path) -> list[str]:
    with tarfile.open(layer) as archive:
        return archive.getnames()


@contextmanager
def few_descriptors(count: int) -> Iterator[None]:
    """So many more than are open now."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_many_layers_of_deep_trees(sessions: Sessions) -> None:
    deep = "opt/" + "/".join("d" * DEEP)
    for number in range(MANY):
        layer = sessions.folder("l")
        (layer / deep).mkdir(parents=True)
        (layer / deep / f"of-{number}").write_text("x")
        os.link(layer / deep / f"of-{number}", layer / deep / f"again-{number}")
        sessions.lowers.insert(0, layer)
    with sessions.desktop() as mounted:
        (mounted.merged / deep / "mine").write_text("mine")
        (mounted.merged / deep / "of-3").unlink()
        # One for each folder on the way, twice, and few besides.
        with few_descriptors(2 * DEEP + 400):
            captured, layers = sessions.save(mounted, joined=True)
        captured.kept.close()
        assert captured.joined == MANY
        got = rebuilt(sessions.lowers[MANY:], sessions.folder("r"), layers)
        assert not differences(snapshot(mounted.merged), snapshot(got))


def test_what_happens_while_the_earlier_layers_are_read(sessions: Sessions) -> None:
    names = [f"{number:02}" for number in range(40)]
    with saved(sessions) as mounted:
        for name in names:
            for place in (HOME, "opt"):
                (mounted.merged / place / name).mkdir()
                (mounted.merged / place / name / "file").write_text(name)
    looks = 0

    def check() -> None:
        """Now a file, now a folder is deleted or replaced, before or after it was looked at."""
        nonlocal looks
        looks += 1
        place = mounted.merged / (HOME if looks % 2 else "opt")
        name = place / names[looks * 7 % 40]
        if looks > 300:
            # The last look finds all of it.
            return
        if (name / "file").exists():
            (name / "file").unlink()
        elif name.is_dir() and looks % 3:
            name.rmdir()
        elif not name.exists():
            name.write_text("a file now")

    with sessions.desktop() as mounted:
        captured, layers = sessions.save(mounted, joined=True, check=check)
        captured.kept.close()
        assert captured.joined == len(sessions.lowers) - 1 and looks > 300
        got = rebuilt(sessions.lowers[captured.joined :], sessions.folder("r"), layers)
        for path in (HOME, "opt"):
            there = snapshot(mounted.merged / path)
            assert set(snapshot(got / path)) == set(there)


def test_each_layer_has_the_folders_where_homes_begin_from(sessions: Sessions) -> None:
    """Also a person's own, on the way to hard links, which are in a layer of their own."""
    with sessions.desktop() as mounted:
        for place in (HOME, DEFAULTS):
            (mounted.merged / place / "folder").mkdir()
        (mounted.merged / DEFAULTS / "folder").chmod(0o700)
        (mounted.merged / HOME / "folder/one").write_text("one")
        os.link(
            mounted.merged / HOME / "folder/one", mounted.merged / HOME / "folder/two"
        )
        captured, layers = sessions.save(mounted)
        captured.kept.close()
    found = []
    for layer in layers:
        with tarfile.open(layer) as archive:
            found.append({member.name: member for member in archive.getmembers()})
    linked = [one for one in found if f"{DEFAULTS}/folder/one" in one]
    assert linked
    for one in linked:
        assert one[f"{DEFAULTS}/folder"].mode == 0o700 and DEFAULTS in one
