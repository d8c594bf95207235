"""What goes wrong during a save, and leaves the desktop as it was."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from snapshot_agent.containerd import TaskState
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.kubernetes import FakeKubernetes, FakePod

from .agents import AUDIENCE, HUB_SERVICE, Agent, client, options, running_agent
from .nodes import Node, run
from .overlays import can_mount
from .registries import RegistryServer

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture
def proxy(registry: RegistryServer) -> Iterator[FaultProxy]:
    host, port = registry.host.split(":")
    with FaultProxy(host, int(port)) as made:
        yield made


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    """Faults are the proxy's: one kind of registry is enough."""
    from .registries import fake_registry

    with fake_registry() as server:
        yield server


def clean(agent: Agent) -> bool:
    """Nothing of the save is left on the node."""
    return not list(agent.spool.iterdir()) and not list(agent.state.iterdir())


async def test_a_registry_that_is_away_before(
    node: Node, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.refuse = True
    async with running_agent(node, proxy.url, tmp_path / "agent") as agent:
        status = await agent.save()
        assert status["error"]["code"] == "registry_unavailable"
        assert "unharmed" in status["error"]["message"]
        assert clean(agent)
    if node.fake is not None:
        # It was noticed before anything was done to the desktop.
        assert ("pause", node.container_id) not in node.fake.calls
    node.check_alive()


async def test_a_registry_that_breaks_during_the_push(
    node: Node, proxy: FaultProxy, registry: RegistryServer, tmp_path: Path
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(6_000_000))
    async with running_agent(node, proxy.url, tmp_path / "agent") as agent:
        proxy.cut_after, proxy.cuts = 3_000_000, 2
        status = await agent.save()
        assert status["state"] == "succeeded", status
        assert proxy.broken == 2
        # No tag names anything while it is not whole, and no session stays open.
        assert registry.fake is not None and not registry.fake.uploads
        proxy.cuts = 1000
        (node.merged / "opt/more").write_bytes(os.urandom(6_000_000))
        status = await agent.save(number=2)
        assert status["error"]["code"] == "registry_unavailable"
        assert "v2" not in registry.fake.tags["desktops/alice/gis-course"]
        assert clean(agent)
    node.check_alive()


@pytest.mark.parametrize("step", ["read", "push"])
async def test_cancel(node: Node, proxy: FaultProxy, tmp_path: Path, step: str) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(80_000_000))
    async with running_agent(node, proxy.url, tmp_path / "agent") as agent:
        proxy.pause = 0.005
        started = await agent.start()
        while (await agent.status(started["id"]))["step"] != step:
            await asyncio.sleep(0.005)
        answer = await agent.http.delete(f"/v1/commits/{started['id']}")
        assert answer.status_code == 202
        status = await agent.wait(started["id"], 20)
        assert (status["state"], status["error"]["code"]) == ("cancelled", "cancelled")
        assert clean(agent)
    node.check_alive()


async def test_two_saves_of_one_desktop(
    node: Node, proxy: FaultProxy, tmp_path: Path
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(50_000_000))
    async with running_agent(node, proxy.url, tmp_path / "agent") as agent:
        first = await agent.start()
        second = await agent.http.post("/v1/commits", json=agent.request())
        assert second.status_code == 409
        assert second.json()["error"]["code"] == "save_in_progress"
        assert (await agent.wait(first["id"]))["state"] == "succeeded"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)])
    try:
        yield folder
    finally:
        run(["umount", str(folder)])


async def test_a_spool_that_is_too_small(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(90_000_000))
    with small_disk(tmp_path / "small", "100M") as spool:
        traits = {"spool_dir": str(spool)}
        async with running_agent(
            node, registry.url, tmp_path / "agent", **traits
        ) as agent:
            status = await agent.save()
            assert status["error"]["code"] == "disk_full"
            # Seen in the plan, before anything was read.
            assert status["step"] == "plan"
            assert clean(agent)
    node.check_alive()


async def test_a_spool_that_fills_up(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(90_000_000))
    with small_disk(tmp_path / "small", "120M") as spool:
        traits = {"spool_dir": str(spool)}
        async with running_agent(
            node, registry.url, tmp_path / "agent", **traits
        ) as agent:
            # It does not compress, and somebody else fills the disk meanwhile.
            started = await agent.start()
            (spool / "other").write_bytes(bytes(50_000_000))
            status = await agent.wait(started["id"])
            assert status["error"]["code"] == "disk_full"
            assert status["step"] in ("plan", "read")
            (spool / "other").unlink()
            assert clean(agent)
    node.check_alive()


async def test_a_freeze_that_reaches_its_deadline(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(50_000_000))
    with touching(big):
        traits = {"freeze_deadline": 0.001}
        async with running_agent(
            node, registry.url, tmp_path / "agent", **traits
        ) as agent:
            result = await agent.result()
            assert clean(agent)
    assert "/opt/big" in result["changed_while_saved"]
    assert node.state() is TaskState.RUNNING
    node.check_alive()


async def test_without_a_freeze_what_changed_is_named(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    busy = node.merged / "opt/busy"
    busy.write_bytes(os.urandom(5_000_000))
    with touching(busy):
        async with running_agent(
            node, registry.url, tmp_path / "agent", freeze=False
        ) as agent:
            result = await agent.result()
    assert result["changed_while_saved"] == ["/opt/busy"]
    assert result["seconds"]["freeze"] == 0


@contextmanager
def touching(path: Path) -> Iterator[None]:
    """Something of the file changes all the time."""
    stop = threading.Event()

    def touch() -> None:
        while not stop.wait(0.002):
            os.utime(path)

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Program:
    """The agent as its own process, which a test can kill."""

    def __init__(
        self, node: Node, registry_url: str, folder: Path, kubeconfig: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        traits = options(node, registry_url, folder)
        traits |= {"port": self.port, "kubeconfig": str(kubeconfig)}
        config = folder / "config.json"
        config.write_text(json.dumps({"SnapshotAgent": traits}))
        self._log = open(folder / "agent.log", "ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "snapshot_agent", "--config", str(config)],
            stdout=self._log,
            stderr=self._log,
        )
        self.log = folder / "agent.log"

    async def ready(self, http: httpx.AsyncClient) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                await http.get("/healthz")
                return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(20)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        self._log.close()


@contextmanager
def cluster_of(
    node: Node, folder: Path
) -> Iterator[tuple[FakeKubernetes, FakePod, Path]]:
    """A cluster that knows the node's desktop, and its kubeconfig."""
    with FakeKubernetes() as kubernetes:
        pod = FakePod(node.pod_uid, containers={"notebook": node.container_id})
        kubernetes.pods.append(pod)
        kubernetes.tokens["hub-token"] = (HUB_SERVICE, [AUDIENCE])
        yield kubernetes, pod, kubernetes.kubeconfig(folder / "kubeconfig")


async def test_an_agent_that_is_killed_while_the_desktop_stands_still(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(300_000_000))
    with cluster_of(node, tmp_path) as (kubernetes, pod, kubeconfig):
        with Program(node, registry.url, tmp_path, kubeconfig) as first:
            async with client(first.port) as http:
                await first.ready(http)
                agent = Agent(
                    http, kubernetes, pod, tmp_path / "spool", tmp_path / "state"
                )
                with touching(big):
                    started = await agent.start()
                    await asyncio.to_thread(wait_for, node, TaskState.PAUSED)
                    first.end(signal.SIGKILL)
        assert node.state() is TaskState.PAUSED
        assert list(agent.spool.iterdir()) and list(agent.state.iterdir())
        with Program(node, registry.url, tmp_path, kubeconfig) as second:
            async with client(second.port) as http:
                await second.ready(http)
                assert node.state() is TaskState.RUNNING
                agent.http = http
                answer = await http.get(f"/v1/commits/{started['id']}")
                assert answer.status_code == 404
                assert answer.json()["error"]["code"] == "commit_unknown"
                assert clean(agent)
                # The same request again ends well.
                assert (await agent.save(id=started["id"]))["state"] == "succeeded"
            second.end()
            assert second.process.returncode == 0, second.log.read_text()
    node.check_alive()


async def test_an_agent_that_is_killed_during_the_push(
    node: Node, proxy: FaultProxy, registry: RegistryServer, tmp_path: Path
) -> None:
    if node.fake is None:
        pytest.skip("what is left in the registry does not depend on containerd")
    (node.merged / "opt/big").write_bytes(os.urandom(30_000_000))
    assert registry.fake is not None
    with cluster_of(node, tmp_path) as (kubernetes, pod, kubeconfig):
        proxy.pause = 0.02
        with Program(node, proxy.url, tmp_path, kubeconfig) as first:
            async with client(first.port) as http:
                await first.ready(http)
                agent = Agent(
                    http, kubernetes, pod, tmp_path / "spool", tmp_path / "state"
                )
                started = await agent.start()
                status = started
                while status["step"] != "push" or status["bytes_done"] < 3_000_000:
                    await asyncio.sleep(0.01)
                    status = await agent.status(started["id"])
                first.end(signal.SIGKILL)
        assert registry.fake.uploads and list(agent.spool.iterdir())
        proxy.pause = 0
        with Program(node, proxy.url, tmp_path, kubeconfig) as second:
            async with client(second.port) as http:
                await second.ready(http)
                # The registry forgets an upload before the agent forgets that it began it.
                deadline = time.monotonic() + 10
                while not clean(agent) and time.monotonic() < deadline:
                    await asyncio.sleep(0.05)
            assert clean(agent) and not registry.fake.uploads


async def test_an_agent_that_is_told_to_stop_thaws(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    big = node.merged / "opt/big"
    big.write_bytes(os.urandom(200_000_000))
    with touching(big):
        async with running_agent(node, registry.url, tmp_path / "agent") as agent:
            await agent.start()
            await asyncio.to_thread(wait_for, node, TaskState.PAUSED)
    assert node.state() is TaskState.RUNNING
    assert clean(agent)
    node.check_alive()


def wait_for(node: Node, state: TaskState) -> None:
    deadline = time.monotonic() + 30
    while node.state() is not state:
        assert time.monotonic() < deadline
        time.sleep(0.001)
