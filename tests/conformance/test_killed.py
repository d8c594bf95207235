"""The agent's own process is killed; the next one sets right what it has left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from snapshot_agent.containerd import TaskState
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.kubernetes import FakeKubernetes, FakePod

from .agents import AUDIENCE, HUB_SERVICE, Agent, client, options
from .nodes import Node
from .overlays import can_mount, touching
from .registries import RegistryServer, fake_registry

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    """What is left of a save does not depend on the kind of registry."""
    with fake_registry() as server:
        yield server


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
                    await asyncio.to_thread(node.await_state, TaskState.PAUSED)
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
                assert agent.clean()
                # The same request again ends well.
                assert (await agent.save(id=started["id"]))["state"] == "succeeded"
            second.end()
            assert second.process.returncode == 0, second.log.read_text()
    node.check_alive()


async def test_an_agent_that_is_killed_while_it_reads(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> None:
    # A minute of zeros: whatever the machine, it is still at them when it is killed.
    with open(node.merged / "opt/holes", "wb") as file:
        file.truncate(60 << 30)
    with cluster_of(node, tmp_path) as (kubernetes, pod, kubeconfig):
        with Program(node, registry.url, tmp_path, kubeconfig) as first:
            async with client(first.port) as http:
                await first.ready(http)
                agent = Agent(
                    http, kubernetes, pod, tmp_path / "spool", tmp_path / "state"
                )
                started = status = await agent.start()
                while status["step"] != "read" or not status["bytes_done"]:
                    assert status["state"] == "running", status
                    await asyncio.sleep(0.01)
                    status = await agent.status(started["id"])
                first.end(signal.SIGKILL)
        assert status["bytes_done"] < status["bytes_total"]
        # It was only read: nothing to thaw, and nothing of it in the registry.
        node.check_alive()
        assert list(agent.spool.iterdir()) and not list(agent.state.iterdir())
        assert registry.fake is not None and not registry.fake.tags
        (node.merged / "opt/holes").unlink()
        with Program(node, registry.url, tmp_path, kubeconfig) as second:
            async with client(second.port) as http:
                await second.ready(http)
                assert agent.clean()
                agent.http = http
                answer = await http.get(f"/v1/commits/{started['id']}")
                assert answer.json()["error"]["code"] == "commit_unknown"
                # The same request again ends well.
                assert (await agent.save(id=started["id"]))["state"] == "succeeded"
        assert second.log.read_text().count(f"save begins save={started['id']}") == 2
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
                while not agent.clean() and time.monotonic() < deadline:
                    await asyncio.sleep(0.05)
            assert agent.clean() and not registry.fake.uploads
