"""Fixtures that exist twice: on a fake and on the real thing.

registry    a running registry, once the fake and once distribution's own
proxy       a way to `registry` that breaks when it is told to
http        an HTTP client, closed at the end
client      the RegistryClient on `registry`
running_container   a containerd that knows one container that runs, and that one's id
sessions    desktops of which each stands on what the one before has saved
saver       the passes of a save on the overlay that a module calls `mounted`
image       a small image of two layers
node        a node with a running desktop of that image, once fake and once with real containerd
agent       a whole agent on `node`, pushing to `registry`
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from oci.client import RegistryClient
from snapshot_agent.capture.containerd import Containerd
from tests.fakes.containerd import FakeContainer, FakeContainerd
from tests.fakes.fault_proxy import FaultProxy
from tests.images import Image, make_image

from .agents import Agent, running_agent
from .containerds import MISSING as NO_CONTAINERD
from .containerds import find_containerd
from .nodes import Node, fake_node, real_node
from .overlays import Overlay, Saver
from .registries import (
    MISSING,
    RegistryServer,
    fake_registry,
    find_registry,
    real_registry,
)
from .sessions import Sessions


@pytest.fixture(params=["fake", "real"])
def registry(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[RegistryServer]:
    if request.param == "fake":
        with fake_registry() as server:
            yield server
        return
    binary = find_registry()
    if binary is None:
        pytest.skip(MISSING)
    with real_registry(tmp_path, binary) as server:
        yield server


@pytest.fixture(scope="session")
def running_container() -> Iterator[tuple[Containerd, str]]:
    socket = tempfile.mktemp(prefix="fake-containerd-", suffix=".sock", dir="/tmp")
    with FakeContainerd(socket) as fake:
        made = FakeContainer(uuid.uuid4().hex, "", {}, {}, {}, "", [])
        fake.containers[made.id] = made
        client = Containerd(socket)
        yield client, made.id
        client.close()


@pytest.fixture
def proxy(registry: RegistryServer) -> Iterator[FaultProxy]:
    host, port = registry.host.split(":")
    with FaultProxy(host, int(port)) as made:
        yield made


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # trust_env off: a machine's proxy has no business between a test and its own server.
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def client(registry: RegistryServer, http: httpx.AsyncClient) -> RegistryClient:
    return RegistryClient(registry.url, http, attempts=3, backoff=0.01)


@pytest.fixture
def saver(mounted: Overlay, tmp_path: Path) -> Iterator[Saver]:
    made = Saver(mounted, tmp_path / "spool")
    yield made
    made.close()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Two layers: a busybox with some files, and some more."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox on this machine: apt install busybox-static")
    low, high = tmp_path / "image-low", tmp_path / "image-high"
    for name in (
        "etc",
        "usr/lib/deep/er",
        "home/jovyan",
        "var/opaque/sub",
        "tmp",
        "bin",
    ):
        (low / name).mkdir(parents=True)
    for name in (
        "proc",
        "sys",
        "dev",
        "run",
        "opt",
        "root",
        "var/lib/dpkg",
    ):
        (low / name).mkdir(parents=True)
    shutil.copy(busybox, low / "bin/busybox")
    for name in ("etc/a", "etc/b", "usr/lib/x", "usr/lib/deep/er/y", "etc/file"):
        (low / name).write_text(name)
    for name in ("var/opaque/shown", "var/opaque/sub/deep", "home/jovyan/.bashrc"):
        (low / name).write_text(name)
    (low / "etc/link").symlink_to("/nowhere/at/all")
    status = "Package: base\nStatus: install ok installed\nVersion: 1\n\n"
    (low / "var/lib/dpkg/status").write_text(status)
    (high / "etc").mkdir(parents=True)
    (high / "etc/b").write_text("b of the second layer")
    return make_image([low, high], {"PATH": "/bin", "LANG": "C.UTF-8"})


@pytest.fixture(params=["fake", "real"])
def node(
    request: pytest.FixtureRequest, image: Image, tmp_path: Path
) -> Iterator[Node]:
    folder = tmp_path / "node"
    folder.mkdir()
    if request.param == "fake":
        with fake_node(folder, image) as made:
            yield made
        return
    if find_containerd() is None:
        pytest.skip(NO_CONTAINERD)
    with real_node(folder, image) as made:
        yield made


@pytest.fixture
async def agent(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> AsyncIterator[Agent]:
    async with running_agent(
        node, registry.url, tmp_path / "agent", kept_saves=16
    ) as made:
        yield made


@pytest.fixture
def sessions(running_container: tuple[Containerd, str]) -> Iterator[Sessions]:
    # Short: the names of all layers must fit into one page.
    with tempfile.TemporaryDirectory(prefix="j", dir="/tmp") as folder:
        made = Sessions(Path(folder), *running_container)
        made.image()
        yield made
