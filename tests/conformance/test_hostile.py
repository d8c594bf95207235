"""Trees made to harm: each is saved within bounds, and nothing from outside of it is taken.

What is bounded: time, by the test's own limit; memory, by what one pass may allocate; disk, by
the size of what the pass has written.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from snapshot_agent.capture.survey import LeftOut
from snapshot_agent.tree.frame import LONGEST_PATH
from tests.trees import differences, snapshot

from .overlays import Overlay, Saver, can_mount, overlay, rebuilt

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]

MEBIBYTE = 1 << 20


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Overlay]:
    low = tmp_path / "low"
    for name in ("etc", "opt/a", "usr/lib", "tmp"):
        (low / name).mkdir(parents=True)
    (low / "opt/a/file").write_text("of the image")
    with overlay(tmp_path / "mount", [low]) as made:
        yield made


def left_out(saver: Saver) -> set[tuple[str, str]]:
    return {(path, reason) for path, reason, _ in saver.left_out}


@contextmanager
def doing(work: object) -> Iterator[None]:
    """Do something again and again in a thread."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            work()  # type: ignore[operator]

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def names_and_contents(layer: Path) -> tuple[set[str], bytes]:
    with tarfile.open(layer, errors="surrogateescape") as tar:
        members = tar.getmembers()
    return {one.name for one in members}, layer.read_bytes()


def swap_for_links(root: Path, host: Path) -> None:
    """Each folder becomes a link to the host, and so does what is in it, and back again."""
    for n in range(50):
        place, aside = root / f"opt/d{n}", root / f"opt/aside{n}"
        place.rename(aside)
        place.symlink_to(host)
        secret = aside / "secret"
        secret.unlink()
        secret.symlink_to(host / "secret")
        place.unlink()
        aside.rename(place)
        secret = place / "secret"
        secret.unlink()
        secret.write_text("of the person")


def test_folders_that_are_swapped_for_links_all_the_time(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    (host / "deep").mkdir(parents=True)
    (host / "deep/secret").write_text("OF-THE-HOST")
    (host / "secret").write_text("OF-THE-HOST")
    m = mounted.merged
    for n in range(50):
        (m / f"opt/d{n}/deep").mkdir(parents=True)
        for name in ("secret", "deep/secret"):
            (m / f"opt/d{n}" / name).write_text("of the person")

    with doing(partial(swap_for_links, m, host)):
        for round_ in range(15):
            again = Saver(mounted, tmp_path / f"spool-{round_}")
            try:
                layers = [again.first(), again.second()]
            finally:
                again.close()
            for layer in layers:
                names, content = names_and_contents(layer)
                assert b"OF-THE-HOST" not in content
                assert all(name.split("/")[0] in ("opt", "etc") for name in names)
    # Once it is quiet, what is saved is what is there.
    layers = [saver.first(), saver.second()]
    got = rebuilt(mounted.lowers, tmp_path / "rebuilt", layers)
    assert not differences(snapshot(mounted.merged), snapshot(got))


def test_sparse_files_of_eight_exbibytes(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    # ext4 ends at 16 TiB, tmpfs at 8 EiB: the largest that this disk takes.
    size = 1 << 63
    path = mounted.merged / "opt/huge"
    path.touch()
    while True:
        try:
            os.truncate(path, size - 1)
            break
        except OSError:
            size >>= 1
    assert size > 1 << 40
    (mounted.merged / "opt/small").write_text("x")
    layer = saver.first()
    assert names_and_contents(layer)[0] == {"opt", "opt/small"}
    assert left_out(saver) == {("opt/huge", "special")}
    assert layer.stat().st_size < MEBIBYTE


def test_names_of_deletions(mounted: Overlay, saver: Saver, tmp_path: Path) -> None:
    m = mounted.merged
    (m / "opt/a/.wh.file").write_text("would delete the image's file")
    (m / "opt/a/.wh..wh..opq").write_text("would empty the folder")
    (m / "opt/.wh.a").mkdir()
    (m / "opt/.wh.a/in").write_text("in")
    (m / "opt/.wh..wh.plnk").symlink_to("x")
    (m / "opt/kept").write_text("kept")
    layers = [saver.first()]
    (m / "opt/.wh.kept").write_text("late")
    layers.append(saver.second())
    got = rebuilt(mounted.lowers, tmp_path / "rebuilt", layers)
    assert (got / "opt/a/file").read_text() == "of the image"
    assert (got / "opt/kept").exists()
    assert not [name for name in snapshot(got) if ".wh." in name]
    assert ("opt/a/.wh.file", "special") in left_out(saver)
    assert ("opt/.wh.a", "special") in left_out(saver)


def memory_of_a_save(mounted: Overlay, folder: Path) -> int:
    """The most that both passes hold at once."""
    tracemalloc.start()
    saver = Saver(mounted, folder)
    try:
        saver.first()
        saver.second()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        saver.close()


def test_many_thousand_empty_files(mounted: Overlay, tmp_path: Path) -> None:
    """Memory grows with the names of one folder, not with all: so a million end well, too."""
    folder = mounted.merged / "opt/many"
    for n in range(30):
        (folder / str(n)).mkdir(parents=True)
        for k in range(500):
            os.close(os.open(folder / str(n) / str(k), os.O_CREAT))
    half = memory_of_a_save(mounted, tmp_path / "half")
    for n in range(30, 60):
        (folder / str(n)).mkdir(parents=True)
        for k in range(500):
            os.close(os.open(folder / str(n) / str(k), os.O_CREAT))
    whole = memory_of_a_save(mounted, tmp_path / "whole")
    # 15,000 more files: a few hundred bytes for each of 30 folders, nothing for each file.
    assert whole - half < MEBIBYTE // 4
    assert whole < 32 * MEBIBYTE


def test_many_empty_files_in_one_folder(mounted: Overlay, tmp_path: Path) -> None:
    """What one name costs is what a million times that would be."""
    folder = mounted.merged / "opt/many"
    folder.mkdir()
    for n in range(20_000):
        os.close(os.open(folder / str(n), os.O_CREAT))
    used = memory_of_a_save(mounted, tmp_path / "spool") - memory_of_a_save_of_nothing()
    assert used / 20_000 < 2_000


def memory_of_a_save_of_nothing() -> int:
    return 4 * MEBIBYTE


def test_what_is_left_out_is_bounded() -> None:
    """A million files in /tmp are a million things left out."""
    tracemalloc.start()
    found = LeftOut()
    found("home/jovyan/.ssh", "secret", 1)
    for number in range(300_000):
        found(f"tmp/litter-{number}", "runtime", 4096 + number)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 8 * MEBIBYTE
    told = found.to_list()
    assert len(told) == 100
    assert told[0]["path"] == "/home/jovyan/.ssh"
    assert told[1]["path"] == "/tmp/litter-299999"


def test_fifos_and_devices_are_never_opened(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    m = mounted.merged
    for n in range(50):
        os.mkfifo(m / f"opt/fifo{n}")
    # The disk, memory, a terminal, a watchdog that restarts the machine when it is opened.
    for name, major, minor in (("mem", 1, 1), ("tty", 5, 0), ("watchdog", 10, 130)):
        os.mknod(m / "opt" / name, 0o020666, os.makedev(major, minor))
    os.mknod(m / "opt/disk", 0o060666, os.makedev(254, 0))
    layers = [saver.first(), saver.second()]
    assert sum(layer.stat().st_size for layer in layers) < MEBIBYTE
    got = rebuilt(mounted.lowers, tmp_path / "rebuilt", layers)
    assert not differences(snapshot(m), snapshot(got))


def test_a_file_that_becomes_a_fifo_while_it_is_read(
    mounted: Overlay, tmp_path: Path
) -> None:
    place = mounted.merged / "opt/changing"
    place.write_text("x")

    def swap() -> None:
        place.unlink()
        os.mkfifo(place)
        place.unlink()
        place.write_text("x")

    with doing(swap):
        for round_ in range(50):
            saver = Saver(mounted, tmp_path / f"spool-{round_}")
            try:
                saver.first()
                saver.second()
            finally:
                saver.close()


def make_deep(root: Path, path: str) -> None:
    """A path of any length: each folder is made from the one above it."""
    at = os.open(root, os.O_RDONLY)
    *folders, name = path.split("/")
    for folder in folders:
        try:
            os.mkdir(folder, dir_fd=at)
        except FileExistsError:
            pass
        below = os.open(folder, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open(name, os.O_CREAT, dir_fd=at))
    os.close(at)


def test_paths_that_no_node_could_unpack(mounted: Overlay, saver: Saver) -> None:
    """An image with a longer path than the kernel takes can be pushed, and never be started."""
    fits = "opt/" + "/".join(["d" * 100] * 60)
    fits = fits[: LONGEST_PATH - 2].rstrip("/") + "/f"
    make_deep(mounted.merged, fits)
    make_deep(mounted.merged, "opt/" + "/".join(["e" * 250] * 25))
    make_deep(mounted.merged, "opt/" + "/".join(["f"] * 700))
    names, _ = names_and_contents(saver.first())
    assert fits in names
    assert max(map(len, names)) <= LONGEST_PATH
    late, _ = names_and_contents(saver.second())
    assert max(map(len, late), default=0) <= LONGEST_PATH
    reasons = {reason for _, reason in left_out(saver)}
    assert reasons == {"special"}
    shutil.rmtree(mounted.merged / "opt")


def test_a_bomb_of_hard_links(mounted: Overlay, tmp_path: Path) -> None:
    m = mounted.merged
    (m / "opt/bomb").write_bytes(bytes(8 * MEBIBYTE))
    for n in range(20_000):
        os.link(m / "opt/bomb", m / f"opt/link{n}")
    saver = Saver(mounted, tmp_path / "spool")
    try:
        first = saver.first()
    finally:
        saver.close()
    # Once its content, and a header for each name.
    assert first.stat().st_size < 8 * MEBIBYTE + 20_100 * 512
    assert memory_of_a_save(mounted, tmp_path / "again") < 64 * MEBIBYTE


def test_a_file_that_grows_for_ever(mounted: Overlay, saver: Saver) -> None:
    with open(mounted.merged / "opt/log", "ab") as log:
        log.write(bytes(MEBIBYTE))
        log.flush()

        def grow() -> None:
            if log.tell() < 2000 * MEBIBYTE:
                log.write(bytes(MEBIBYTE))
                log.flush()

        with doing(grow):
            layers = [saver.first(), saver.second()]
    for layer in layers:
        with tarfile.open(layer) as tar:
            for member in tar:
                # Exactly as many bytes as its header says, however fast it grows.
                assert member.isdir() or member.size <= 2000 * MEBIBYTE


def test_attributes_that_are_as_large_as_they_can_be(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    place = mounted.merged / "opt/x"
    place.write_text("x")
    size = 3000
    os.setxattr(place, "user." + "n" * 200, os.urandom(size))
    for name in ("user.a=b", "user.new\nline", "user.é"):
        os.setxattr(place, name, b"v")
    got = rebuilt(mounted.lowers, tmp_path / "rebuilt", [saver.first()])
    kept = set(os.listxattr(got / "opt/x"))
    # PAX cannot hold a name with an equals sign; the others are there.
    assert kept >= {"user." + "n" * 200, "user.é"}
    assert not [name for name in kept if "=" in name]
