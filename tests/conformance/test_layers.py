"""How many layers a saved image may have, and what is told to whoever reaches that."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshot_agent.capture.joining import LAYERS_OF_A_SAVE, MOST_LAYERS
from tests.images import make_image

from .agents import running_agent
from .containerds import MISSING, find_containerd
from .nodes import Node, fake_node, real_node
from .overlays import can_mount
from .registries import RegistryServer, fake_registry

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    """Layers are counted before the registry has any of them."""
    with fake_registry() as server:
        yield server


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: the names of all layers must fit into one page."""
    folder = Path(tempfile.mkdtemp(prefix="l", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def trees(folder: Path, count: int) -> list[Path]:
    """The content of so many layers, as after many saves of one file each."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox on this machine: apt install busybox-static")
    first = folder / "0"
    for name in ("bin", "etc", "home/jovyan", "opt", "proc", "sys", "dev", "usr/lib"):
        (first / name).mkdir(parents=True)
    shutil.copy(busybox, first / "bin/busybox")
    for number in range(1, count):
        (folder / str(number) / "opt").mkdir(parents=True)
        (folder / str(number) / "opt" / f"save-{number}").write_text("saved")
    return [folder / str(number) for number in range(count)]


@pytest.fixture(params=["fake", "real"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "real" and find_containerd() is None:
        pytest.skip(MISSING)
    return str(request.param)


@pytest.mark.parametrize("spare", [LAYERS_OF_A_SAVE, LAYERS_OF_A_SAVE - 1])
async def test_a_save_that_would_be_too_deep_is_refused_before_it_begins(
    kind: str, short: Path, registry: RegistryServer, tmp_path: Path, spare: int
) -> None:
    depth = MOST_LAYERS - spare
    image = make_image(trees(tmp_path / "trees", depth), {"PATH": "/bin"})
    make = fake_node if kind == "fake" else real_node
    with make(short, image) as node:
        (node.merged / "opt/new").write_text("new")
        async with running_agent(node, registry.url, tmp_path / "agent") as agent:
            status = await agent.save()
            assert agent.clean()
        if spare >= LAYERS_OF_A_SAVE:
            assert status["state"] == "succeeded", status
            assert status["result"]["layers"] == depth + 1
        else:
            assert (status["state"], status["step"]) == ("failed", "plan")
            assert status["error"]["code"] == "too_many_layers"
            assert status["error"]["details"] == {"layers": depth, "most": MOST_LAYERS}
            for words in (f"{depth} layers", "unharmed", "from the first image"):
                assert words in status["error"]["message"]
            untouched(node, registry)
        node.check_alive()


def untouched(node: Node, registry: RegistryServer) -> None:
    assert registry.fake is not None and not registry.fake.tags
    if node.fake is not None:
        assert node.fake.calls == []
