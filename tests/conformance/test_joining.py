"""Saves on top of saves: when there are many, or much of them is dead, they become one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from oci.client import RegistryClient
from oci.reference import Digest
from snapshot_agent.capture.joining import MOST_LAYERS, MOST_SAVES
from tests.images import Image, make_image
from tests.trees import Node as TreeNode
from tests.trees import snapshot

from .agents import Agent, running_agent
from .containerds import MISSING, find_containerd
from .nodes import TOKEN, Node, fake_node, real_node
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

SECRET = b"the password that was saved by mistake"
LITTLE = 1000


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with fake_registry() as server:
        yield server


@pytest.fixture(params=["fake", "real"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "real" and find_containerd() is None:
        pytest.skip(MISSING)
    return str(request.param)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: the names of all layers must fit into one page."""
    folder = Path(tempfile.mkdtemp(prefix="l", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def origin(folder: Path) -> Path:
    """The image that nobody has saved."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox on this machine: apt install busybox-static")
    for name in ("bin", "etc", "home/jovyan", "opt/deep", "proc", "sys", "dev"):
        (folder / name).mkdir(parents=True)
    for name in ("home_nbuser_default", "usr/lib", "var"):
        (folder / name).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin/busybox")
    for name in ("a", "b", "deep/c"):
        (folder / "opt" / name).write_text(f"{name} of the image")
    return folder


def saves(folder: Path, count: int) -> list[Path]:
    """Layers as saves write them: files of their own, and what hides the ones below."""
    trees = []
    for number in range(count):
        tree = folder / f"save-{number}"
        (tree / "opt").mkdir(parents=True, exist_ok=True)
        (tree / f"opt/of-{number}").write_bytes(os.urandom(LITTLE))
        if number % 4 == 1:
            (tree / f"opt/.wh.of-{number - 1}").touch()
        trees.append(tree)
    # Deleted, and there again in another way, in three different saves.
    (trees[0] / "opt/.wh.deep").touch()
    (trees[-1] / "opt/deep").mkdir()
    (trees[-1] / "opt/deep/other").write_text("of the last save")
    (trees[0] / "opt/.wh.a").touch()
    (trees[0] / "opt/secret").write_bytes(SECRET)
    if count > MOST_SAVES:
        (trees[1] / "opt/large").write_bytes(os.urandom(16 * 1024 * LITTLE))
    home(trees[0], "kept", b"kept")
    home(trees[0], "dropped", SECRET + b" at home")
    home(trees[0], "changed", b"once")
    home(trees[1], "gone", b"for a while")
    home(trees[2], "changed", b"twice")
    home(trees[2], ".wh.gone", b"")
    (trees[2] / "home_nbuser_default/own").write_text("the person's")
    return trees


def home(tree: Path, name: str, content: bytes) -> None:
    """A file of the home, with the second name that a save gives to it."""
    for folder in ("home/jovyan", "home_nbuser_default"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "home/jovyan" / name).write_bytes(content)
    os.link(tree / "home/jovyan" / name, tree / "home_nbuser_default" / name)


Session = tuple[Node, Agent, Image]
Start = Callable[..., Any]


@pytest.fixture
def start(kind: str, short: Path, registry: RegistryServer, tmp_path: Path) -> Start:
    """A desktop that was started from so many saves on top of one another."""

    @asynccontextmanager
    async def desktop(count: int, **traits: Any) -> AsyncIterator[Session]:
        trees = [origin(tmp_path / "origin"), *saves(tmp_path / "saves", count)]
        image = make_image(trees, {"PATH": "/bin"}, saved=count)
        make = fake_node if kind == "fake" else real_node
        with make(short, image) as node:
            async with running_agent(
                node, registry.url, tmp_path / "agent", **traits
            ) as agent:
                yield node, agent, image

    return desktop


async def test_many_saves_become_one(
    start: Start, registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    async with start(MOST_SAVES + 1) as (node, agent, image):
        (node.merged / "opt/new").write_text("of this session")
        (node.merged / "opt/of-5").unlink()
        (node.merged / "opt/b").unlink()
        (node.merged / "opt/secret").unlink()
        (node.merged / "home/jovyan/dropped").unlink()
        result = await agent.result()
        there = as_defaults_of_homes(node.merged, snapshot(node.merged, SKIPPED))
        got = await rebuilt(client, result, tmp_path / "mine")
        check(there, got)
        assert set(os.listdir(got / "home/jovyan")) == {"kept", "changed"}
        defaults = set(os.listdir(got / "home_nbuser_default"))
        assert defaults == {"kept", "changed", "own"}
        if node.fake is None:
            reference = f"{registry.host}/{REPOSITORY}:v1"
            check(there, pulled(node, reference, tmp_path / "pulled"))
        assert len(result["joined_layers"]) == MOST_SAVES + 1
        # Of this session alone.
        assert result["changed_bytes"] == len("of this session")
        assert result["layers"] == 1 + len(result["new_layers"])
        manifest = await client.get_manifest(REPOSITORY, result["digest"])
        assert manifest is not None
        assert manifest.json()["layers"][0]["digest"] == Digest.of(image.layers[0])
        assert not await found(client, result, SECRET)
        node.check_alive()


async def test_the_image_is_the_same_as_without_joining(
    start: Start, registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    async with start(MOST_SAVES + 1) as (node, agent, _):
        home, defaults = (
            node.merged / path for path in ("home/jovyan", "home_nbuser_default")
        )
        (home / "dropped").unlink()
        (home / "changed").write_text("three times")
        (home / "kept").rename(home / "renamed")
        (home / "folder/deep").mkdir(parents=True)
        (home / "folder/deep/new").write_text("new")
        (defaults / "own").write_text("the person's, again")
        (defaults / "changed").unlink()
        (node.merged / "opt/deep/other").unlink()
        joined = await agent.result()
        folder = tmp_path / "other"
        other = running_agent(node, registry.url, folder, join_saves=False)
        async with other as plain_agent:
            plain = await plain_agent.result(number=2)
        assert (len(joined["joined_layers"]), plain["joined_layers"]) == (
            MOST_SAVES + 1,
            [],
        )
        expected = snapshot(await rebuilt(client, plain, tmp_path / "plain"), SKIPPED)
        assert {"renamed", "folder", "own"} == {
            path.rpartition("/")[2]
            for path in expected
            if path.rpartition("/")[0] == "home_nbuser_default"
        }
        check(expected, await rebuilt(client, joined, tmp_path / "joined"))
        if node.fake is None:
            for number in (1, 2):
                reference = f"{registry.host}/{REPOSITORY}:v{number}"
                check(expected, pulled(node, reference, tmp_path / f"v{number}"))


async def test_the_second_save_stands_on_the_joined_layers(
    start: Start, client: RegistryClient, tmp_path: Path
) -> None:
    async with start(MOST_SAVES + 1) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        first = await agent.result()
        (node.merged / "opt/more").write_text("of the second save")
        second = await agent.result(number=2)
        assert second["joined_layers"] == first["joined_layers"]
        assert second["kept_layers"] == len(first["new_layers"])
        assert 0 < second["changed_bytes"] < LITTLE
        got = await rebuilt(client, second, tmp_path / "mine")
        check(snapshot(node.merged, SKIPPED), got)


async def test_what_is_deleted_after_a_joined_save_is_in_no_layer_of_the_next(
    start: Start, client: RegistryClient
) -> None:
    async with start(MOST_SAVES + 1) as (node, agent, _):
        first = await agent.result()
        assert await found(client, first, SECRET)
        (node.merged / "opt/secret").unlink()
        (node.merged / "home/jovyan/dropped").unlink()
        second = await agent.result(number=2)
        assert second["kept_layers"] == 0
        assert not await found(client, second, SECRET)


async def test_an_administrator_may_leave_them_as_they_are(start: Start) -> None:
    async with start(MOST_SAVES + 1, join_saves=False) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        assert (await agent.result())["joined_layers"] == []


@pytest.mark.parametrize(
    "limit", [{"most_bytes": 8 * LITTLE}, {"most_entries": 9}, {"spool_limit": "70Mi"}]
)
async def test_what_does_not_fit_is_not_joined_and_saved_all_the_same(
    limit: dict[str, Any], start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async with start(MOST_SAVES + 1, **limit) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        result = await agent.result()
        assert result["joined_layers"] == []
        assert result["layers"] == 1 + MOST_SAVES + 1 + len(result["new_layers"])
        assert "stay as they are" in caplog.text
        assert agent.clean()


async def test_where_a_quota_has_no_room_they_are_left_alone(start: Start) -> None:
    async with start(MOST_SAVES + 1) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        assert (await agent.result(room=LITTLE))["joined_layers"] == []


async def test_a_secret_of_an_earlier_save_is_left_out_and_told(
    start: Start, client: RegistryClient, tmp_path: Path
) -> None:
    secret = tmp_path / "saves/save-3/opt/token"
    secret.parent.mkdir(parents=True)
    secret.write_text(f"the key is {TOKEN}")
    async with start(MOST_SAVES + 1) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        first = await agent.result()
        (node.merged / "opt/more").write_text("more")
        second = await agent.result(number=2)
        assert second["kept_layers"] == len(first["new_layers"])
        for result in (first, second):
            assert not await found(client, result, TOKEN.encode())
            told = {one["path"]: one["reason"] for one in result["left_out"]}
            assert told["/opt/token"] == "secret"


async def test_few_saves_are_left_alone(start: Start) -> None:
    async with start(MOST_SAVES) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        result = await agent.result()
        assert result["joined_layers"] == []
        assert result["layers"] == 1 + MOST_SAVES + 1


async def test_much_that_is_dead_makes_them_one(
    start: Start, client: RegistryClient
) -> None:
    async with start(3) as (node, agent, _):
        (node.merged / "opt/of-2").unlink()
        (node.merged / "opt/secret").unlink()
        result = await agent.result()
        assert len(result["joined_layers"]) == 3
        assert not await found(client, result, SECRET + b"\0")


async def test_it_is_decided_once_a_session(start: Start) -> None:
    async with start(4) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        first = await agent.result()
        for name in ("of-1", "of-2", "of-3"):
            (node.merged / "opt" / name).unlink()
        second = await agent.result(number=2)
        assert first["joined_layers"] == second["joined_layers"] == []
        assert second["kept_layers"] == len(first["new_layers"])


@pytest.mark.parametrize(
    "choice", [{"exclude": ["/opt/of-5"]}, {"include_home": False}]
)
async def test_what_earlier_saves_have_is_not_lost_to_what_this_one_leaves_out(
    choice: dict[str, Any], start: Start, client: RegistryClient, tmp_path: Path
) -> None:
    async with start(MOST_SAVES + 1) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        result = await agent.result(**choice)
        assert len(result["joined_layers"]) == MOST_SAVES + 1
        got = await rebuilt(client, result, tmp_path / "mine")
        assert (got / "opt/of-5").exists() and (got / "home/jovyan/kept").exists()
        assert (got / "home/jovyan/kept").samefile(got / "home_nbuser_default/kept")


async def test_where_no_more_layers_fit_they_become_one(start: Start) -> None:
    count = MOST_LAYERS - 1 - 10
    async with start(count) as (node, agent, _):
        (node.merged / "opt/new").write_text("of this session")
        result = await agent.result()
        assert len(result["joined_layers"]) == count


async def found(client: RegistryClient, result: dict[str, Any], content: bytes) -> bool:
    """True when a layer of the image has these bytes in it."""
    for digest in result["new_layers"]:
        data = await client.get_blob(REPOSITORY, Digest(digest), 1 << 30)
        if content in zstandard.ZstdDecompressor().decompressobj().decompress(data):
            return True
    return False


def as_defaults_of_homes(root: Path, tree: dict[str, TreeNode]) -> dict[str, TreeNode]:
    """The tree, with what was deleted in the home deleted where homes begin from."""
    gone = "home_nbuser_default/dropped"
    home, defaults = os.lstat(root / "home/jovyan"), "home_nbuser_default"
    folder = replace(tree[defaults], mtime=home.st_mtime_ns // 10**9)
    return {
        path: folder if path == defaults else node
        for path, node in tree.items()
        if path != gone
    }
