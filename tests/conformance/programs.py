"""The two halves of an agent, each as its own process, which a test can kill."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.kubernetes import FakeKubernetes, FakePod

from .agents import AUDIENCE, HUB_SERVICE, Agent, client, options, socket_folder
from .nodes import Node

CAPTURE, API = "capture", "api"


class Half:
    """One of the two processes; started again it takes the place of the one before."""

    def __init__(self, name: str, config: Path, answers: Callable[[], bool]) -> None:
        self.name = name
        self.log = config.parent / f"{name}.log"
        self._config = config
        self._answers = answers
        self.process = self._start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL: nothing of it is cleaned up by itself."""
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> int:
        """SIGTERM; how it ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def start_again(self) -> None:
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "snapshot_agent", self.name]
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [*command, "--config", str(self._config)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise AssertionError(self.log.read_text())
            time.sleep(0.05)
        return process


class Programs:
    """An agent of two processes, and the agent as hub_service asks it."""

    def __init__(self, config: Path, options: dict[str, Any], agent: Agent) -> None:
        self.agent = agent
        path, port = options["capture_socket"], options["port"]
        self.socket: str = path
        self.capture = Half(CAPTURE, config, lambda: _connects(socket.AF_UNIX, path))
        self.api = Half(
            API, config, lambda: _connects(socket.AF_INET, ("127.0.0.1", port))
        )

    def half(self, name: str) -> Half:
        return self.capture if name == CAPTURE else self.api

    def end(self) -> None:
        for half in (self.api, self.capture):
            if half.process.poll() is None:
                half.kill()

    async def reaches(
        self, started: dict[str, Any], there: Callable[[dict[str, Any]], bool]
    ) -> None:
        """Wait until a save is there; one that has ended by then was too small."""
        status = started
        while not there(status):
            assert status["state"] == "running", status
            await asyncio.sleep(0.005)
            status = await self.agent.status(started["id"])

    async def is_clean(self) -> None:
        """Wait until nothing of a save is left."""
        deadline = time.monotonic() + 20
        while not self.agent.clean():
            assert time.monotonic() < deadline, "something of a save is left"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running_programs(
    node: Node, registry_url: str, folder: Path, **traits: Any
) -> AsyncIterator[Programs]:
    """Both halves, in a cluster that knows the node's desktop; ended at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with _cluster_of(node) as (kubernetes, pod), socket_folder() as sockets:
        given = options(node, registry_url, folder, sockets) | traits
        kubeconfig = kubernetes.kubeconfig(folder / "kubeconfig")
        given |= {"port": port, "kubeconfig": str(kubeconfig)}
        config = folder / "config.json"
        config.write_text(json.dumps({"SnapshotAgent": given}))
        async with client(port) as http:
            folders = [
                Path(given[f"{one}_dir"]) for one in ("spool", "state", "uploads")
            ]
            agent = Agent(http, kubernetes, pod, *folders)
            programs = Programs(config, given, agent)
            try:
                yield programs
            finally:
                programs.end()


@contextmanager
def _cluster_of(node: Node) -> Iterator[tuple[FakeKubernetes, FakePod]]:
    """A cluster that knows the node's desktop."""
    with FakeKubernetes() as kubernetes:
        pod = FakePod(node.pod_uid, containers={"notebook": node.container_id})
        kubernetes.pods.append(pod)
        kubernetes.tokens["hub-token"] = (HUB_SERVICE, [AUDIENCE])
        yield kubernetes, pod


def _connects(family: socket.AddressFamily, address: Any) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
        return True
