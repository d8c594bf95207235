"""The walk and the layer on real overlay mounts: what is rebuilt is what was there."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snapshot_agent.exclusions import Rules
from tests.trees import differences, snapshot

from .overlays import Overlay, Saver, can_mount, overlay, rebuilt, set_opaque

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Two layers of an image: the lower one, and one that changes it."""
    low, high = tmp_path / "low", tmp_path / "high"
    for name in (
        "etc",
        "usr/lib/deep/er",
        "home/jovyan",
        "var/gone",
        "var/opaque/sub",
        "tmp",
    ):
        (low / name).mkdir(parents=True)
    for name in (
        "etc/a",
        "etc/b",
        "usr/lib/x",
        "usr/lib/deep/er/y",
        "var/gone/z",
        "etc/file",
    ):
        (low / name).write_text(name)
    for name in ("var/opaque/hidden", "var/opaque/sub/hidden", "home/jovyan/.bashrc"):
        (low / name).write_text(name)
    (low / "etc/link").symlink_to("/nowhere/at/all")
    os.link(low / "etc/a", low / "etc/hard")
    for name in ("var/opaque/sub", "etc"):
        (high / name).mkdir(parents=True)
    os.mknod(high / "var/gone", 0o020000, 0)
    set_opaque(high / "var/opaque")
    (high / "var/opaque/shown").write_text("shown")
    (high / "etc/b").write_text("b of the second layer")
    return tmp_path


@pytest.fixture
def mounted(base: Path) -> Iterator[Overlay]:
    with overlay(base / "mount", [base / "high", base / "low"]) as made:
        yield made


def check(mounted: Overlay, base: Path, layers: list[Path]) -> None:
    got = rebuilt(mounted.lowers, base / "rebuilt", layers)
    told = differences(snapshot(mounted.merged), snapshot(got))
    assert not told, "\n".join(told)


Mutation = Callable[[Path], object]


def replace_directory(m: Path) -> None:
    shutil.rmtree(m / "usr/lib/deep")
    (m / "usr/lib/deep").mkdir()
    (m / "usr/lib/deep/new").write_text("new")


def nested_opaque(m: Path) -> None:
    replace_directory(m)
    (m / "usr/lib/deep/er").mkdir()
    (m / "usr/lib/deep/er/other").write_text("other")


def file_to_directory(m: Path) -> None:
    (m / "etc/file").unlink()
    (m / "etc/file").mkdir()
    (m / "etc/file/inside").write_text("i")


def directory_to_file(m: Path) -> None:
    shutil.rmtree(m / "usr/lib")
    (m / "usr/lib").write_text("a file now")


def hard_links(m: Path) -> None:
    (m / "etc/one").write_text("linked")
    os.link(m / "etc/one", m / "etc/two")
    os.link(m / "etc/one", m / "usr/three")
    (m / "etc/sym").symlink_to("x")
    os.link(m / "etc/sym", m / "etc/sym2", follow_symlinks=False)


def attributes(m: Path) -> None:
    (m / "etc/x").write_text("x")
    os.setxattr(m / "etc/x", "user.note", b"a\x00\xff=\n")
    os.setxattr(
        m / "etc/x",
        "security.capability",
        bytes.fromhex("0100000200200000" + "00" * 12),
    )
    os.chmod(m / "etc/a", 0o6711)
    os.chown(m / "etc/b", 4_194_304, 1000)
    os.setxattr(m / "usr/lib", "user.dir", b"d")
    os.utime(m / "etc/b", (1_000_000_000, 1_000_000_000))
    os.utime(m / "etc/file", (9_000_000_000, 9_000_000_000))


def special_files(m: Path) -> None:
    os.mkfifo(m / "etc/fifo")
    os.mknod(m / "etc/null", 0o020666, os.makedev(1, 3))
    os.mknod(m / "etc/loop", 0o060600, os.makedev(7, 9))
    with socket.socket(socket.AF_UNIX) as one:
        # By the directory's descriptor: a socket's path has at most 107 characters.
        folder = os.open(m / "etc", os.O_RDONLY)
        one.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)


def names(m: Path) -> None:
    for name in (
        "n" * 255,
        "é😀",
        "new\nline",
        "\udcff\udcfe",
        " ",
        "-",
        "'\"\\",
        "a=b",
    ):
        (m / "etc" / name).write_text("named")
    deep = m / "usr" / "/".join(["d" * 200] * 8)
    deep.mkdir(parents=True)
    (deep / "f").write_text("deep")
    os.symlink("\udcff/target", m / "etc/badlink")
    os.symlink("t" * 300, m / "etc/longlink")


def sparse(m: Path) -> None:
    with open(m / "etc/sparse", "wb") as file:
        file.seek(3_000_000)
        file.write(b"middle")
        file.truncate(9_000_001)
    with open(m / "etc/hole", "wb") as file:
        file.truncate(5_000_000)
    (m / "etc/empty").touch()
    (m / "etc/block").write_bytes(b"x" * 512)
    (m / "etc/big").write_bytes(os.urandom(3_333_333))


def deletions(m: Path) -> None:
    (m / "etc/a").unlink()
    (m / "etc/link").unlink()
    shutil.rmtree(m / "usr/lib/deep")
    (m / "var/gone").mkdir()
    (m / "var/opaque/shown").unlink()
    (m / "var/opaque/hidden").write_text("again")
    (m / "usr/lib/x").rename(m / "usr/lib/moved")


MUTATIONS: list[Mutation] = [
    lambda m: None,
    replace_directory,
    nested_opaque,
    file_to_directory,
    directory_to_file,
    hard_links,
    attributes,
    special_files,
    names,
    sparse,
    deletions,
]


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda m: m.__name__.strip("<>"))
def test_one_pass(mounted: Overlay, base: Path, saver: Saver, mutate: Mutation) -> None:
    mutate(mounted.merged)
    check(mounted, base, [saver.first()])


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda m: m.__name__.strip("<>"))
def test_everything_comes_in_the_second_pass(
    mounted: Overlay, base: Path, saver: Saver, mutate: Mutation
) -> None:
    first = saver.first()
    mutate(mounted.merged)
    check(mounted, base, [first, saver.second()])


@pytest.mark.parametrize("second", MUTATIONS, ids=lambda m: m.__name__.strip("<>"))
@pytest.mark.parametrize(
    "first", [nested_opaque, directory_to_file, deletions, hard_links]
)
def test_two_passes(
    mounted: Overlay, base: Path, saver: Saver, first: Mutation, second: Mutation
) -> None:
    first(mounted.merged)
    one = saver.first()
    try:
        second(mounted.merged)
    except OSError:
        # The two do not go together; what the second managed to do is a change too.
        pass
    check(mounted, base, [one, saver.second()])


@pytest.mark.parametrize("seed", range(40))
def test_random_changes(mounted: Overlay, base: Path, saver: Saver, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        act(chance, mounted.merged)
    one = saver.first()
    for _ in range(60):
        act(chance, mounted.merged)
    check(mounted, base, [one, saver.second()])


def act(chance: random.Random, root: Path) -> None:
    """One thing that a person may do anywhere in the tree."""
    # Nothing in /tmp is ever saved.
    folders = [
        Path(folder) for folder, _, _ in os.walk(root) if not folder.endswith("/tmp")
    ]
    folder = chance.choice(folders)
    names = sorted(set(os.listdir(folder)) - {"tmp"}) + ["a", "b", "new", "deep"]
    one, other = folder / chance.choice(names), chance.choice(folders) / chance.choice(
        names
    )
    try:
        match chance.randrange(9):
            case 0 | 1:
                one.write_text(str(chance.random()))
            case 2 | 3:
                one.mkdir()
            case 4:
                (
                    shutil.rmtree(one)
                    if one.is_dir() and not one.is_symlink()
                    else one.unlink()
                )
            case 5:
                one.rename(other)
            case 6:
                os.link(one, other, follow_symlinks=False)
            case 7:
                os.chmod(one, chance.choice([0o700, 0o755, 0o644]))
            case 8:
                shutil.rmtree(folder) if folder != root else None
                folder.mkdir(exist_ok=True)
    except OSError:
        pass


def test_nothing_changed_costs_nothing(mounted: Overlay, saver: Saver) -> None:
    (mounted.merged / "etc/new").write_text("x")
    saver.first()
    time.sleep(0.05)
    saver.second()
    again = Saver(mounted, saver.folder / "again")
    try:
        again.first()
        again.second()
        assert again.entries == 0
    finally:
        again.close()


def test_exclusions_keep_what_the_user_deleted(mounted: Overlay, base: Path) -> None:
    low = base / "low"
    (low / "home/jovyan/.ssh").mkdir()
    (low / "home/jovyan/.ssh/known_hosts").write_text("of the image")
    (low / "tmp/of-the-image").write_text("x")
    rules = Rules(
        home="/home/jovyan", mounts=["/data"], asked=["/etc/asked"], include_home=True
    )
    m = mounted.merged
    (m / "home/jovyan/.ssh/known_hosts").unlink()
    (m / "home/jovyan/.ssh/id_rsa").write_text("PRIVATE")
    (m / "tmp/of-the-image").unlink()
    (m / "tmp/litter").write_text("litter")
    (m / "data/x").parent.mkdir()
    (m / "data/x").write_text("stub")
    (m / "etc/asked").mkdir()
    (m / "etc/asked/big").write_bytes(b"x" * 10_000)
    (m / "etc/machine-id").write_text("0123456789abcdef")
    (m / "etc/.wh.evil").write_text("evil")
    saver = Saver(mounted, base / "spool", rules)
    try:
        got = rebuilt(mounted.lowers, base / "rebuilt", [saver.first(), saver.second()])
    finally:
        saver.close()
    assert os.listdir(got / "home/jovyan/.ssh") == []
    assert os.listdir(got / "tmp") == []
    assert not (got / "data").exists()
    assert not (got / "etc/asked").exists()
    assert (got / "etc/machine-id").read_bytes() == b""
    assert not (got / "etc/.wh.evil").exists()
    reasons = {(path, reason) for path, reason, _ in saver.left_out}
    assert {
        ("home/jovyan/.ssh", "secret"),
        ("tmp/litter", "runtime"),
        ("data", "mount"),
        ("etc/asked", "asked"),
        ("etc/.wh.evil", "special"),
    } <= reasons


def test_a_home_that_is_not_included_stays_as_in_the_image(
    mounted: Overlay, base: Path
) -> None:
    (mounted.merged / "home/jovyan/.bashrc").unlink()
    (mounted.merged / "home/jovyan/new").write_text("new")
    (mounted.merged / "etc/new").write_text("new")
    rules = Rules(home="/home/jovyan", mounts=[], asked=[], include_home=False)
    saver = Saver(mounted, base / "spool", rules)
    try:
        got = rebuilt(mounted.lowers, base / "rebuilt", [saver.first()])
    finally:
        saver.close()
    assert os.listdir(got / "home/jovyan") == [".bashrc"]
    assert (got / "etc/new").exists()


def test_a_file_with_a_secret_is_left_out(
    mounted: Overlay, base: Path, saver: Saver
) -> None:
    saver.canaries = (b"0123456789abcdef0123456789abcdef",)
    m = mounted.merged
    (m / "etc/leak").write_bytes(b"x" * 1000 + saver.canaries[0])
    (m / "etc/fine").write_text("fine")
    got = rebuilt(mounted.lowers, base / "rebuilt", [saver.first()])
    assert not (got / "etc/leak").exists()
    assert (got / "etc/fine").exists()
    assert [one[:2] for one in saver.left_out] == [("etc/leak", "secret")]


def test_a_mapping_that_writes_after_the_look_is_not_missed(
    mounted: Overlay, base: Path, saver: Saver
) -> None:
    path = mounted.merged / "etc/mapped"
    path.write_bytes(b"a" * 8192)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 8192) as mapping:
        mapping[0] = ord("b")
        time.sleep(0.1)
        first = saver.first()
        # The page is writable and dirty: without its write-back no time would change now.
        mapping[1] = ord("c")
        check(mounted, base, [first, saver.second()])


def test_a_whiteout_for_nothing_is_not_passed_on(
    mounted: Overlay, base: Path, saver: Saver
) -> None:
    """Passed on, it would be a ghost where it is unpacked: listed, and not there."""
    (mounted.merged / "usr/lib/own").mkdir()
    (mounted.merged / "etc/new").touch()
    shutil.rmtree(mounted.merged / "usr/lib/deep")
    (mounted.merged / "usr/lib/deep").mkdir()
    for place in ("etc/never", "usr/lib/own/never", "usr/lib/deep/er"):
        os.mknod(mounted.upper / place, 0o020000, 0)
    got = rebuilt(mounted.lowers, base / "rebuilt", [saver.first(), saver.second()])
    assert os.listdir(got / "usr/lib/deep") == []


def test_links_are_never_followed_to_the_host(
    mounted: Overlay, base: Path, saver: Saver
) -> None:
    (base / "host").mkdir()
    (base / "host/secret").write_text("of the host")
    shutil.rmtree(mounted.merged / "usr/lib")
    (mounted.merged / "usr/lib").symlink_to(base / "host")
    check(mounted, base, [saver.first()])
    assert saver.lower.kind("etc/link") is not None
