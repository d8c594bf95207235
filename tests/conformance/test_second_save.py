"""Saves of a desktop that was saved before: only what changed since, and exactly the same."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oci.client import RegistryClient
from oci.reference import Digest
from snapshot_agent.tree.kept import MOST_LAYERS
from tests.images import Image
from tests.trees import differences, snapshot

from .agents import Agent, running_agent
from .nodes import TOKEN, Node, fake_node
from .overlays import can_mount
from .registries import RegistryServer, fake_registry
from .test_saves import REPOSITORY, SKIPPED, check, rebuilt
from .unpackers import pulled

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]

# Longer than the clock's tick that makes a time tell nothing (RACY_NS).
A_TICK = 0.06


def settle() -> None:
    time.sleep(A_TICK)


def fill(root: Path) -> None:
    """What the first save finds."""
    for name in ("gone", "renamed", "moved/deep", "becomes-file", "opaque", "kept"):
        folder = root / "var/opt" / name
        folder.mkdir(parents=True)
        for number in range(3):
            (folder / f"file-{number}").write_text(f"{name} {number}")
    (root / "var/opt/becomes-folder").write_text("a file")
    (root / "var/opt/link").symlink_to("kept/file-0")
    (root / "var/opt/one").write_text("one inode")
    os.link(root / "var/opt/one", root / "var/opt/two")
    (root / "var/file").write_text("of the first save")
    (root / "home/jovyan/notes").write_text("notes")


def delete(root: Path) -> None:
    shutil.rmtree(root / "var/opt/gone")
    (root / "var/opt/kept/file-1").unlink()
    (root / "var/file").unlink()


def rename(root: Path) -> None:
    (root / "var/opt/renamed").rename(root / "var/opt/new-name")
    (root / "var/opt/moved/deep").rename(root / "var/opt/deep")
    (root / "var/opt/kept/file-0").rename(root / "var/opt/kept/other")


def replace(root: Path) -> None:
    shutil.rmtree(root / "var/opt/becomes-file")
    (root / "var/opt/becomes-file").write_text("a file now")
    (root / "var/opt/becomes-folder").unlink()
    (root / "var/opt/becomes-folder").mkdir()
    (root / "var/opt/becomes-folder/inside").write_text("inside")
    (root / "var/opt/link").unlink()
    (root / "var/opt/link").write_text("no link any more")


def empty_again(root: Path) -> None:
    """Directories that hide what was below them, of ours and of the image."""
    for name in ("var/opt/opaque", "var/opaque"):
        shutil.rmtree(root / name)
        (root / name).mkdir()
        (root / name / "fresh").write_text("fresh")


def hard_links(root: Path) -> None:
    os.link(root / "var/opt/one", root / "var/opt/kept/three")
    (root / "var/opt/two").unlink()
    os.link(root / "var/opt/kept/file-2", root / "var/opt/new-link")


def metadata(root: Path) -> None:
    os.chmod(root / "var/opt/kept", 0o700)
    os.chown(root / "var/opt/one", 1000, 1000)
    os.setxattr(root / "var/opt/kept/file-0", "user.colour", b"blue")
    os.utime(root / "var/opt/kept/file-1", (1, 1))


def same_size_same_time(root: Path) -> None:
    path = root / "var/opt/kept/file-0"
    before = path.stat()
    path.write_text("KEPT 0")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def there_and_back(root: Path) -> None:
    """A directory comes back under its old name with its old files, the times unchanged."""
    (root / "var/opt/away").rename(root / "var/opt/kept")


EDITS: list[Callable[[Path], None]] = [
    delete,
    rename,
    replace,
    empty_again,
    hard_links,
    metadata,
    same_size_same_time,
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
async def test_the_second_save_is_exactly_what_is_there(
    edit: Callable[[Path], None],
    node: Node,
    agent: Agent,
    registry: RegistryServer,
    client: RegistryClient,
    tmp_path: Path,
) -> None:
    fill(node.merged)
    settle()
    first = await agent.result()
    edit(node.merged)
    settle()
    second = await agent.result(number=2)
    there = snapshot(node.merged, SKIPPED)
    check(there, await rebuilt(client, second, tmp_path / "mine"))
    if node.fake is None:
        reference = f"{registry.host}/{REPOSITORY}:v2"
        check(there, pulled(node, reference, tmp_path / "pulled"))
    assert second["kept_layers"] == len(first["new_layers"]) > 0
    assert set(first["new_layers"]) < set(second["new_layers"])
    node.check_alive()


@pytest.fixture
def quick(image: Image, tmp_path: Path) -> Iterator[Node]:
    """What follows does not depend on the kind of containerd."""
    folder = tmp_path / "quick"
    folder.mkdir()
    with fake_node(folder, image) as made:
        yield made


@pytest.fixture
async def saver(
    quick: Node, registry: RegistryServer, tmp_path: Path
) -> AsyncIterator[Agent]:
    async with running_agent(
        quick, registry.url, tmp_path / "agent", kept_saves=16
    ) as made:
        yield made


async def all_of(
    node: Node, client: RegistryClient, result: dict[str, Any], folder: Path
) -> None:
    check(snapshot(node.merged, SKIPPED), await rebuilt(client, result, folder))


async def test_many_saves_in_a_row(
    quick: Node, saver: Agent, client: RegistryClient, tmp_path: Path
) -> None:
    """Also what is away in one save and there again in the next; never more than the most."""
    fill(quick.merged)
    (quick.merged / "var/opt/big").write_bytes(random.Random(1).randbytes(2_000_000))
    # Once before: the kernel marks what was renamed, and later it looks the same.
    (quick.merged / "var/opt/kept").rename(quick.merged / "var/opt/away")
    there_and_back(quick.merged)
    settle()
    await saver.result()
    (quick.merged / "var/opt/kept").rename(quick.merged / "var/opt/away")
    settle()
    await all_of(quick, client, await saver.result(number=2), tmp_path / "second")
    there_and_back(quick.merged)
    settle()
    await all_of(quick, client, await saver.result(number=3), tmp_path / "third")
    most = 0
    for number in range(4, 8 + MOST_LAYERS):
        (quick.merged / f"var/opt/kept/file-{number}").write_text(str(number))
        settle()
        result = await saver.result(number=number)
        most = max(most, len(result["new_layers"]))
    assert MOST_LAYERS <= most <= MOST_LAYERS + 2
    await all_of(quick, client, result, tmp_path / "last")


async def test_random_edits(
    quick: Node, saver: Agent, client: RegistryClient, tmp_path: Path
) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    for number in range(1, 8):
        for _ in range(30):
            _random_edit(rng, quick.merged)
        settle()
        result = await saver.result(number=number)
        got = await rebuilt(client, result, tmp_path / str(number))
        told = differences(snapshot(quick.merged, SKIPPED), snapshot(got, SKIPPED))
        assert not told, (seed, number, told)


def _random_edit(rng: random.Random, root: Path) -> None:
    places = [root / name for name in ("etc", "usr/lib", "var", "opt")]
    for place in list(places):
        places += [path for path in place.rglob("*")]
    path = rng.choice(places[4:] or places)
    if path.is_symlink() or not path.is_dir():
        kind = rng.randrange(5)
        if kind == 0:
            path.unlink()
        elif kind == 1 and not path.is_symlink():
            path.write_bytes(rng.randbytes(rng.randrange(3000)))
        elif kind == 2 and not path.is_symlink():
            os.chmod(path, rng.choice([0o600, 0o755]))
        elif kind == 3 and not path.is_symlink():
            os.link(path, path.with_name(f"l{rng.random()}"))
        else:
            path.rename(path.with_name(f"r{rng.random()}"))
        return
    kind = rng.randrange(6)
    if kind == 0 and path not in places[:4]:
        shutil.rmtree(path)
        if rng.random() < 0.5:
            path.mkdir()
    elif kind == 1:
        (path / f"d{rng.random()}").mkdir()
    elif kind == 2:
        target = path.with_name(f"m{rng.random()}")
        try:
            path.rename(target)
        except OSError:
            # A directory of the image cannot be renamed without copying it.
            return
    else:
        (path / f"f{rng.random()}").write_bytes(rng.randbytes(rng.randrange(3000)))


async def test_nothing_changed_adds_nothing_and_says_so(
    quick: Node, saver: Agent
) -> None:
    fill(quick.merged)
    settle()
    first = await saver.result()
    second = await saver.result(number=2)
    assert (first["unchanged"], second["unchanged"]) == (False, True)
    assert second["new_layers"] == first["new_layers"]
    assert second["layers"] == first["layers"]


async def test_into_another_image_the_layers_are_mounted(
    quick: Node, saver: Agent, client: RegistryClient
) -> None:
    fill(quick.merged)
    settle()
    first = await saver.result()
    second = await saver.result(image="another")
    assert second["unchanged"]
    for digest in first["new_layers"]:
        there = await client.head_blob("desktops/alice/another", Digest(digest))
        assert there is not None


@pytest.mark.parametrize("why", ["home", "exclude", "registry"])
async def test_all_of_it_again(
    why: str, quick: Node, saver: Agent, client: RegistryClient, tmp_path: Path
) -> None:
    """With other choices, or when a layer is lost, what was kept is of no use."""
    fill(quick.merged)
    settle()
    first = await saver.result()
    changes: dict[str, Any] = {}
    if why == "home":
        changes = {"include_home": False}
    elif why == "exclude":
        changes = {"exclude": ["/var/opt/kept"]}
    else:
        for digest in first["new_layers"]:
            await client.delete_blob("desktops/alice/gis-course", Digest(digest))
    second = await saver.result(number=2, **changes)
    assert (second["kept_layers"], second["unchanged"]) == (0, False)
    got = await rebuilt(client, second, tmp_path / "mine")
    assert (got / "home/jovyan/notes").exists() is (why != "home")
    assert (got / "var/opt/kept").exists() is (why != "exclude")


async def test_a_file_with_a_new_secret_takes_everything_anew(
    quick: Node, saver: Agent, client: RegistryClient, tmp_path: Path
) -> None:
    """Its earlier content may not stay, and what the image has below it is to be seen."""
    (quick.merged / "etc/a").write_text("changed")
    settle()
    await saver.result()
    (quick.merged / "etc/a").write_text(f"token {TOKEN}")
    settle()
    second = await saver.result(number=2)
    assert second["kept_layers"] == 0
    got = await rebuilt(client, second, tmp_path / "mine")
    assert (got / "etc/a").read_text() == "etc/a"
    told = [one for one in second["left_out"] if one["path"] == "/etc/a"]
    assert [one["reason"] for one in told] == ["secret"]
    settle()
    third = await saver.result(number=3)
    assert third["unchanged"]
    assert told[0] in third["left_out"]


async def test_after_a_failure_nothing_is_kept(
    quick: Node, image: Image, tmp_path: Path
) -> None:
    fill(quick.merged)
    settle()
    with fake_registry() as registry:
        async with running_agent(
            quick, registry.url, tmp_path / "agent", kept_saves=16
        ) as agent:
            await agent.result()
            assert registry.fake is not None
            (quick.merged / "var/opt/new").write_text("new")
            settle()
            registry.fake.blobs.clear()
            result = await agent.result(number=2)
            assert result["kept_layers"] == 0
            assert agent.clean()


@pytest.mark.parametrize(
    "where", ["opt/notes", "home/jovyan/notes", "home/jovyan/.env"]
)
async def test_what_a_person_has_deleted_is_in_no_layer(
    where: str, quick: Node, saver: Agent, client: RegistryClient
) -> None:
    """The save before had it, and its layers are not those of the next one."""
    (quick.merged / "opt").mkdir(exist_ok=True)
    (quick.merged / where).write_text("my password")
    settle()
    first = await saver.result()
    (quick.merged / where).unlink()
    settle()
    second = await saver.result(number=2)
    assert second["kept_layers"] == 0
    assert not set(first["new_layers"]) & set(second["new_layers"])


async def test_a_folder_that_has_become_a_file_is_in_no_layer(
    quick: Node, saver: Agent
) -> None:
    folder = quick.merged / "opt/credentials"
    folder.mkdir(parents=True)
    (folder / "token").write_text("my password")
    settle()
    first = await saver.result()
    shutil.rmtree(folder)
    folder.write_text("a file now")
    settle()
    second = await saver.result(number=2)
    assert second["kept_layers"] == 0
    assert not set(first["new_layers"]) & set(second["new_layers"])


async def test_what_a_program_deletes_leaves_the_layers_alone(
    quick: Node, saver: Agent
) -> None:
    fill(quick.merged)
    lock = quick.merged / "home/jovyan/.config/program/lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("1")
    settle()
    await saver.result()
    lock.unlink()
    settle()
    second = await saver.result(number=2)
    assert second["kept_layers"] > 0 and not second["unchanged"]
