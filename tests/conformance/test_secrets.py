"""Secrets in a real tree: by their place and by their value, in every stream of a save."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshot_agent.exclusions import Rules, changed
from snapshot_agent.tree.canary import canaries
from tests.agent.test_default_deny import LITTER, SECRETS
from tests.images import Image
from tests.trees import snapshot

from .agents import running_agent
from .nodes import ENV, TOKEN, fake_node
from .overlays import Overlay, Saver, can_mount, overlay, rebuilt
from .registries import fake_registry

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
)

PRIVATE = b"PRIVATE-CONTENT-OF-A-KEY"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Overlay]:
    for name in ("home/jovyan", "root", "etc", "tmp", "run"):
        (tmp_path / "low" / name).mkdir(parents=True)
    with overlay(tmp_path / "mount", [tmp_path / "low"]) as made:
        yield made


@pytest.fixture
def saver(mounted: Overlay, tmp_path: Path) -> Iterator[Saver]:
    made = Saver(mounted, tmp_path / "spool")
    made.canaries = canaries([f"{k}={v}" for k, v in ENV.items()], [])
    yield made
    made.close()


def fill(root: Path, paths: list[str]) -> None:
    for path in paths:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(PRIVATE)


@pytest.mark.parametrize("late", [False, True], ids=["first pass", "second pass"])
def test_no_place_of_the_list_gives_a_byte(
    mounted: Overlay, saver: Saver, late: bool
) -> None:
    paths = LITTER + [
        f"{home}/{path}" for home in ("home/jovyan", "root") for path in SECRETS
    ]
    layers = [] if not late else [saver.first()]
    fill(mounted.merged, paths)
    (mounted.merged / "etc/kept").write_bytes(b"kept")
    layers.append(saver.second() if late else saver.first())
    content = b"".join(layer.read_bytes() for layer in layers)
    assert PRIVATE not in content and b"etc/kept" in content
    if not late:
        told = {path for path, reason, _ in saver.left_out}
        missing = [
            path for path in paths if not any(path.startswith(one) for one in told)
        ]
        assert not missing


def hide(root: Path) -> None:
    """The token wherever it can be."""
    value = TOKEN.encode()
    home = root / "home/jovyan"
    if (home / "plain").exists():
        # A secret deep in a file makes the agent begin again, and hold the desktop again.
        return
    (home / "plain").write_bytes(value)
    (home / "deep").write_bytes(b"x" * (1 << 20) + value)
    (home / "edge").write_bytes(b"x" * ((1 << 20) - 7) + value)
    (home / "link").symlink_to(f"http://hub/?token={TOKEN}")
    (home / f"named-{TOKEN}").write_text("x")
    (home / f"folder-{TOKEN}").mkdir()
    (home / f"folder-{TOKEN}/in").write_text("x")
    (home / "attribute").write_text("x")
    os.setxattr(home / "attribute", "user.token", b"\x00" + value)
    os.setxattr(home, "user.fine", b"fine")
    os.mkfifo(home / f"fifo-{TOKEN}")
    (home / "one").write_text("x")
    os.link(home / "one", home / f"two-{TOKEN}")
    (home / "fine").write_text("fine")


@pytest.mark.parametrize("late", [False, True], ids=["first pass", "second pass"])
async def test_a_value_of_the_environment_is_in_no_stream(
    image: Image, tmp_path: Path, late: bool
) -> None:
    """Through the whole agent: every blob and document that it pushes."""
    with fake_node(tmp_path, image) as node, fake_registry() as registry:
        assert node.fake is not None and registry.fake is not None
        if late:
            node.fake.on_pause = lambda: hide(node.merged)
        else:
            hide(node.merged)
        async with running_agent(node, registry.url, tmp_path / "agent") as agent:
            result = await agent.result()
            assert agent.clean()
        blobs = [one for kept in registry.fake.blobs.values() for one in kept.values()]
        blobs += [
            one for kept in registry.fake.manifests.values() for _, one in kept.values()
        ]
        assert len(blobs) > 4
        for data in blobs:
            assert TOKEN.encode() not in unpacked(data)
        told = {one["path"]: one["reason"] for one in result["left_out"]}
        for name in (
            "plain",
            "deep",
            "edge",
            "link",
            "attribute",
            "named-...",
            "fifo-...",
        ):
            assert told[f"/home/jovyan/{name}"] == "secret", name
        assert "/home/jovyan/fine" not in told
        assert TOKEN not in str(result)


def unpacked(data: bytes) -> bytes:
    """A layer's tar; anything else as it is."""
    import zstandard

    if data[:4] != b"\x28\xb5\x2f\xfd":
        return data
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def test_the_value_is_found_in_the_second_pass_of_a_plain_tree(
    mounted: Overlay, saver: Saver, tmp_path: Path
) -> None:
    layers = [saver.first()]
    (mounted.merged / "home/jovyan/late").write_text(TOKEN)
    (mounted.merged / "home/jovyan/fine").write_text("fine")
    layers.append(saver.second())
    got = snapshot(rebuilt(mounted.lowers, tmp_path / "rebuilt", layers))
    assert "home/jovyan/fine" in got and "home/jovyan/late" not in got


def test_what_an_administrator_adds_and_takes_out(
    mounted: Overlay, tmp_path: Path
) -> None:
    fill(mounted.merged, ["srv/keys/a", "home/jovyan/.npmrc", "home/jovyan/.netrc"])
    table = changed(["/srv/keys"], ["~/.npmrc"])
    rules = Rules(
        home="/home/jovyan", mounts=(), asked=(), include_home=True, table=table
    )
    saver = Saver(mounted, tmp_path / "spool", rules)
    try:
        got = snapshot(rebuilt(mounted.lowers, tmp_path / "rebuilt", [saver.first()]))
    finally:
        saver.close()
    assert "home/jovyan/.npmrc" in got and "srv" in got
    assert "srv/keys" not in got and "home/jovyan/.netrc" not in got
    assert {(path, reason) for path, reason, _ in saver.left_out} == {
        ("srv/keys", "secret"), ("home/jovyan/.netrc", "secret")
    }  # fmt: skip
