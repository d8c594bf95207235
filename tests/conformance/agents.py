"""A whole agent for a test: both halves, a fake cluster, a node and a registry."""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from snapshot_agent.api.app import Api
from snapshot_agent.api.kube import KubeCluster
from snapshot_agent.capture.app import CaptureProgram
from tests.fakes.kubernetes import FakeKubernetes, FakePod

from .nodes import Node

AUDIENCE = "desktops-snapshot-agent"
HUB_SERVICE = "system:serviceaccount:desktops:hub-service"


@dataclass
class Agent:
    """A running agent, asked as hub_service asks it."""

    http: httpx.AsyncClient
    kubernetes: FakeKubernetes
    pod: FakePod
    spool: Path
    state: Path
    uploads: Path

    def request(self, **changes: Any) -> dict[str, Any]:
        """The body of a commit for the desktop of the node."""
        body = {
            "id": uuid.uuid4().hex,
            "pod_uid": self.pod.uid,
            "container": "notebook",
            "owner": "alice",
            "image": "gis-course",
            "number": 1,
            "title": "GIS course",
            "description": "adds things",
            "include_home": True,
            "exclude": [],
        }
        return body | changes

    async def start(self, **changes: Any) -> dict[str, Any]:
        """Ask for a save; its status, or the error."""
        answer = await self.http.post("/v1/commits", json=self.request(**changes))
        content: dict[str, Any] = answer.json()
        return content

    async def status(self, save_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/v1/commits/{save_id}")
        content: dict[str, Any] = answer.json()
        return content

    async def wait(self, save_id: str, seconds: float = 60) -> dict[str, Any]:
        """The status at the end of a save."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = await self.status(save_id)
            assert (
                "error" not in status or status["error"] is None or "state" in status
            ), status
            if status["state"] != "running":
                return status
            await asyncio.sleep(0.02)
        raise AssertionError(f"the save did not end: {status}")

    async def save(self, **changes: Any) -> dict[str, Any]:
        """A whole save; the status at its end."""
        started = await self.start(**changes)
        assert "id" in started, started
        return await self.wait(started["id"])

    async def result(self, **changes: Any) -> dict[str, Any]:
        """The result of a save that succeeds."""
        status = await self.save(**changes)
        assert status["state"] == "succeeded", status
        result: dict[str, Any] = status["result"]
        return result

    def add_pod(self, node: Node, uid: str) -> None:
        """A further desktop on a fake node, with the same filesystem."""
        assert node.fake is not None
        first = node.fake.containers[node.container_id]
        labels = first.labels | {"io.kubernetes.pod.uid": uid}
        node.fake.containers[uid] = replace(first, id=uid, labels=labels)
        self.kubernetes.pods.append(FakePod(uid, containers={"notebook": uid}))

    def clean(self) -> bool:
        """Nothing of a save is left on the node."""
        folders = (self.spool, self.state, self.uploads)
        return not any(list(folder.iterdir()) for folder in folders)


@asynccontextmanager
async def running_agent(
    node: Node, registry_url: str, folder: Path, **traits: Any
) -> AsyncIterator[Agent]:
    """Both halves in this process, on a free port and with a real socket between them.

    Each as its own process, without a network: `programs.py`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FakeKubernetes() as kubernetes, socket_folder() as sockets:
        pod = FakePod(node.pod_uid, containers={"notebook": node.container_id})
        kubernetes.pods.append(pod)
        kubernetes.tokens["hub-token"] = (HUB_SERVICE, [AUDIENCE])
        given = options(node, registry_url, folder, sockets) | traits
        async with AsyncExitStack() as stack:
            await CaptureProgram(**given).open(stack)
            cluster = await KubeCluster.connect(
                kubeconfig=str(kubernetes.kubeconfig(folder / "kubeconfig")),
                node="node-1",
                namespaces=["desktops"],
                label_selector="component=singleuser-server",
                owner_annotation="hub.jupyter.org/username",
            )
            stack.push_async_callback(cluster.close)
            app = Api(**given)
            port = await app.open(stack, cluster)
            http = await stack.enter_async_context(client(port))
            yield Agent(
                http,
                kubernetes,
                pod,
                Path(app.spool_dir),
                Path(app.state_dir),
                Path(app.uploads_dir),
            )


@contextmanager
def socket_folder() -> Iterator[Path]:
    """A short path: that of a unix socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="halves-", dir="/tmp") as folder:
        yield Path(folder)


def options(
    node: Node, registry_url: str, folder: Path, sockets: Path
) -> dict[str, Any]:
    """The configuration of an agent for a node."""
    return {
        "address": "127.0.0.1",
        "port": 0,
        "node_name": "node-1",
        "capture_socket": str(sockets / "capture.sock"),
        "containerd_socket": node.socket,
        "snapshotter_roots": node.roots,
        "registry_url": registry_url,
        "registry_host": "localhost:30500",
        "registry_attempts": 3,
        "state_dir": str(folder / "state"),
        "spool_dir": str(folder / "spool"),
        "uploads_dir": str(folder / "uploads"),
    }


def client(port: int, token: str = "hub-token") -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )
