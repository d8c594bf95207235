"""Neither half of the agent can do what is the other's: tried from inside its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from oci.reference import Digest
from snapshot_agent.api.capture_client import CaptureClient
from snapshot_agent.errors import AgentError
from snapshot_agent.wire import CaptureRequest, Place
from tests.images import Image

from .nodes import Node, fake_node, labels
from .overlays import can_mount
from .programs import Programs, running_programs
from .registries import RegistryServer, fake_registry

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
except OSError as error:
    sys.exit(error.strerror)
"""


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    """Between the halves it does not matter where things go in the end."""
    with fake_registry() as server:
        yield server


@pytest.fixture
def node(image: Image, tmp_path: Path) -> Iterator[Node]:
    """Which containerd it is plays no part here."""
    (tmp_path / "node").mkdir()
    with fake_node(tmp_path / "node", image) as made:
        yield made


@pytest.fixture
async def programs(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> AsyncIterator[Programs]:
    secret = tmp_path / "registry-auth.json"
    auths = {"localhost:30500": {"username": "desktops", "password": "pushed-by-api"}}
    secret.write_text(json.dumps({"auths": auths}))
    async with running_programs(
        node, registry.url, tmp_path, registry_auth_file=str(secret)
    ) as made:
        yield made


@pytest.fixture
async def verbs(programs: Programs) -> AsyncIterator[httpx.AsyncClient]:
    """The capture half, asked by somebody who has taken over the other one."""
    path = programs.socket
    async with httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=path), base_url="http://capture"
    ) as client:
        yield client


@pytest.fixture
async def capture(programs: Programs) -> AsyncIterator[CaptureClient]:
    client = CaptureClient(programs.socket)
    yield client
    await client.close()


def inside_network_of(pid: int, address: tuple[str, int]) -> str:
    """Connect from the network of a process; why it failed, or nothing."""
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", CONNECT]
    done = subprocess.run(
        [*command, address[0], str(address[1])], capture_output=True, text=True
    )
    return done.stderr.strip()


def test_who_reads_desktops_has_no_network(
    programs: Programs, registry: RegistryServer
) -> None:
    host, port = registry.host.split(":")
    assert inside_network_of(programs.api.pid, (host, int(port))) == ""
    assert "unreachable" in inside_network_of(programs.capture.pid, (host, int(port)))
    assert "unreachable" in inside_network_of(programs.capture.pid, ("1.1.1.1", 53))
    # Every thread of it: a network namespace is a thread's.
    threads = Path(f"/proc/{programs.capture.pid}/task").iterdir()
    namespaces = {os.readlink(thread / "ns/net") for thread in threads}
    assert len(namespaces) == 1
    assert namespaces != {os.readlink("/proc/self/ns/net")}
    listening = Path(f"/proc/{programs.capture.pid}/net/tcp").read_text()
    assert len(listening.splitlines()) == 1, listening


async def test_who_reads_desktops_has_no_credentials(programs: Programs) -> None:
    assert (await programs.agent.save())["state"] == "succeeded"
    pid = programs.capture.pid
    opened = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [one for one in opened if "registry-auth" in one or "kubeconfig" in one]
    assert b"pushed-by-api" not in Path(f"/proc/{pid}/environ").read_bytes()
    # Nor in its memory: it has never read the file.
    assert not in_memory(pid, b"pushed-by-api")
    assert in_memory(programs.api.pid, b"pushed-by-api")


def in_memory(pid: int, value: bytes) -> bool:
    """True when a process has a value in memory that it has written to."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split()
            if "w" not in fields[1] or fields[-1] in ("[vvar]", "[vsyscall]"):
                continue
            begin, end = (int(one, 16) for one in fields[0].split("-"))
            try:
                memory.seek(begin)
                if value in memory.read(end - begin):
                    return True
            except OSError:
                continue
    return False


def test_who_has_the_network_has_no_library_of_the_node(programs: Programs) -> None:
    """What is not imported cannot be called: the same is a contract of the imports."""
    loaded = "import sys, snapshot_agent.{}; print(*sys.modules)"
    for half, others in (
        (
            "api.app",
            {
                "grpc",
                "snapshot_agent.capture.containerd",
                "snapshot_agent.tree.changes",
            },
        ),
        ("capture.app", {"httpx", "kubernetes", "snapshot_agent.api.registries"}),
    ):
        command = [sys.executable, "-c", loaded.format(half)]
        modules = subprocess.check_output(command, text=True).split()
        assert not others & set(modules)


def test_only_the_group_of_both_may_enter_the_socket(programs: Programs) -> None:
    assert os.stat(programs.socket).st_mode & 0o777 == 0o660
    spool = programs.agent.spool
    assert os.stat(spool).st_mode & 0o007 == 0


def test_who_is_unprivileged_reaches_nothing_of_the_node(node: Node) -> None:
    script = f"""
import os, socket
os.setgroups([1000]); os.setgid(1000); os.setuid(1000)
try:
    os.listdir({node.roots[0]!r}); print("layers")
except PermissionError: pass
try:
    socket.socket(socket.AF_UNIX).connect({node.socket!r}); print("containerd")
except PermissionError: pass
"""
    os.chmod(node.roots[0], 0o700)
    os.chmod(node.socket, 0o660)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def place_of(node: Node) -> Place:
    return Place(node.pod_uid, "notebook", node.container_id)


async def test_a_container_that_containerd_knows_otherwise_is_refused(
    node: Node, capture: CaptureClient
) -> None:
    assert node.fake is not None
    await capture.find(place_of(node))
    right = node.fake.containers[node.container_id].labels
    for wrong in (
        labels("another"),
        right | {"io.kubernetes.pod.namespace": "kube-system"},
        right | {"io.kubernetes.container.name": "sidecar"},
        right | {"io.cri-containerd.kind": "sandbox"},
    ):
        node.fake.containers[node.container_id].labels = wrong
        with pytest.raises(AgentError) as refused:
            await capture.find(place_of(node))
        assert refused.value.code == "unsupported_container"
        request = CaptureRequest(place_of(node), True, (), "one", "{}")
        with pytest.raises(AgentError) as refused:
            async with capture.capture(request) as events:
                [event async for event in events]
        assert refused.value.code == "unsupported_container"
    assert node.fake.calls == []


async def test_a_base_that_is_not_the_containers_is_refused(
    node: Node, capture: CaptureClient, image: Image
) -> None:
    """Its environment decides what counts as a secret."""
    assert node.fake is not None
    config = image.blobs[str(image.config_digest)].decode()
    for wrong in ("{}", config.replace("C.UTF-8", "C.UTF-9"), config + " "):
        request = CaptureRequest(place_of(node), True, (), "one", wrong)
        with pytest.raises(AgentError) as refused:
            async with capture.capture(request) as events:
                [event async for event in events]
        assert refused.value.code == "base_unknown"
    assert node.fake.calls == []


async def test_only_blobs_of_the_containers_image_are_given_out(
    node: Node, capture: CaptureClient, image: Image
) -> None:
    assert node.fake is not None
    other = b"a layer of somebody else's image"
    node.fake.content[str(Digest.of(other))] = other
    assert await capture.blob_size(place_of(node), Digest.of(other)) is None
    with pytest.raises(AgentError):
        async with capture.blob(place_of(node), Digest.of(other)) as pieces:
            [piece async for piece in pieces]
    layer = Digest.of(image.layers[0])
    assert await capture.blob_size(place_of(node), layer) == len(image.layers[0])
    async with capture.blob(place_of(node), layer) as pieces:
        assert b"".join([piece async for piece in pieces]) == image.layers[0]


async def test_one_capture_of_a_desktop_and_so_many_of_a_node(
    node: Node, capture: CaptureClient, image: Image
) -> None:
    config = image.blobs[str(image.config_digest)].decode()
    request = CaptureRequest(place_of(node), True, (), "one", config)
    async with capture.capture(request) as events:
        await anext(events)
        with pytest.raises(AgentError) as refused:
            again = CaptureRequest(place_of(node), True, (), "two", config)
            async with capture.capture(again) as others:
                await anext(others)
        assert refused.value.code == "save_in_progress"


@pytest.mark.parametrize(
    "change",
    [
        {"place": None},
        {"place": {"pod_uid": "../..", "container": "a", "container_id": "b"}},
        {"place": {"pod_uid": "a", "container": "a", "container_id": "a/../b"}},
        {"place": {"pod_uid": "a", "container": "a", "container_id": 1}},
        {"include_home": "yes"},
        {"exclude": ["relative"]},
        {"exclude": ["/a"] * 1001},
        {"exclude": {"/a": 1}},
        {"id": "../../etc/passwd"},
        {"id": "x" * 129},
        {"config": ["{}"]},
        {"config": "x" * (4 * 1024 * 1024 + 1)},
    ],
)
async def test_a_message_that_is_none_is_refused(
    node: Node, verbs: httpx.AsyncClient, programs: Programs, change: dict[str, Any]
) -> None:
    good = asdict(CaptureRequest(place_of(node), True, (), "one", "{}"))
    answer = await verbs.post("/v1/captures", json=good | change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert node.fake is not None and node.fake.calls == []
    assert not list(programs.agent.spool.iterdir())


async def test_there_are_no_other_verbs(verbs: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/"),
        ("POST", "/v1/exec"),
        ("GET", "/v1/../etc/passwd"),
        ("POST", "/metrics"),
    ):
        assert (await verbs.request(method, path)).status_code == 404
    assert (await verbs.request("DELETE", "/v1/captures")).status_code == 405
    assert (await verbs.post("/v1/find", content=b"[" * 100_000)).status_code == 400


def test_a_desktop_cannot_be_read_exactly_without_these_capabilities(
    tmp_path: Path,
) -> None:
    """Why the half that reads keeps two capabilities, each shown by its absence."""
    marked, private = tmp_path / "marked", tmp_path / "private"
    marked.mkdir()
    os.setxattr(marked, "trusted.overlay.opaque", b"y")
    private.write_text("of a person")
    os.chown(private, 1000, 1000)
    private.chmod(0o600)
    read = f"import os; print(os.listxattr({str(marked)!r})); open({str(private)!r}).read()"
    kept = "-all,+sys_admin,+dac_read_search"
    assert try_with(kept, read) == (0, "['trusted.overlay.opaque']")
    assert try_with("-all,+dac_read_search", read) == (0, "[]")
    assert try_with("-all,+sys_admin", read)[0] != 0


def try_with(capabilities: str, script: str) -> tuple[int, str]:
    command = ["setpriv", f"--bounding-set={capabilities}", "--inh-caps=-all"]
    done = subprocess.run(
        [*command, sys.executable, "-c", script], capture_output=True, text=True
    )
    return done.returncode, done.stdout.strip()
