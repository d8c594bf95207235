"""Every save ends, whatever ends it: nothing stays "running" for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from snapshot_agent.api.capture_client import CaptureClient
from snapshot_agent.api.commit import Tools
from snapshot_agent.api.kube import KubeCluster
from snapshot_agent.api.metrics import Metrics
from snapshot_agent.api.registries import Registries
from snapshot_agent.api.saves import Saves
from snapshot_agent.capture.app import CaptureProgram
from snapshot_agent.errors import CommitUnknown
from snapshot_agent.requests import CommitRequest, commit_request
from snapshot_agent.status import State
from tests.fakes.kubernetes import FakeKubernetes, FakePod
from tests.images import Image

from .agents import options, socket_folder
from .nodes import Node, fake_node
from .overlays import can_mount

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


class Unheard(BaseException):
    """What no `except Exception` catches."""


class Broken:
    """Registries of which the first question ends in something nobody foresaw."""

    @property
    def own(self) -> Any:
        raise Unheard


@asynccontextmanager
async def broken_saves(node: Node, folder: Path) -> AsyncIterator[Saves]:
    """The saves of an agent in which every save breaks."""
    async with AsyncExitStack() as stack:
        kubernetes = stack.enter_context(FakeKubernetes())
        pod = FakePod(node.pod_uid, containers={"notebook": node.container_id})
        kubernetes.pods.append(pod)
        given = options(node, "", folder, stack.enter_context(socket_folder()))
        await CaptureProgram(**given).open(stack)
        capture = CaptureClient(given["capture_socket"])
        stack.push_async_callback(capture.close)
        cluster = await KubeCluster.connect(
            kubeconfig=str(kubernetes.kubeconfig(folder / "kubeconfig")),
            node="node-1",
            namespaces=["desktops"],
            label_selector="component=singleuser-server",
            owner_annotation="hub.jupyter.org/username",
        )
        stack.push_async_callback(cluster.close)
        tools = Tools(capture, cast(Registries, Broken()), folder)
        saves = Saves(cluster, tools, Metrics(), most=2)
        stack.push_async_callback(saves.close)
        yield saves


def request_for(node: Node) -> CommitRequest:
    return commit_request(
        {
            "id": "one",
            "pod_uid": node.pod_uid,
            "container": "notebook",
            "owner": "alice",
            "image": "gis-course",
            "number": 1,
        }
    )


async def test_a_save_that_breaks_off_in_a_way_nobody_foresaw(
    image: Image, tmp_path: Path
) -> None:
    (tmp_path / "node").mkdir()
    with fake_node(tmp_path / "node", image) as node:
        async with broken_saves(node, tmp_path) as saves:
            status = await saves.start(request_for(node))
            for _ in range(500):
                if status.state is not State.RUNNING:
                    break
                await asyncio.sleep(0.01)
            assert status.state is State.FAILED
            assert status.error is not None and "unharmed" in status.error.message
            assert saves.active == 0


async def test_a_save_that_is_cancelled_before_it_has_begun(
    image: Image, tmp_path: Path
) -> None:
    (tmp_path / "node").mkdir()
    with fake_node(tmp_path / "node", image) as node:
        async with broken_saves(node, tmp_path) as saves:
            starting = asyncio.create_task(saves.start(request_for(node)))
            while True:
                try:
                    await saves.cancel("one")
                    break
                except CommitUnknown:
                    await asyncio.sleep(0)
            status = await starting
            for _ in range(10):
                await asyncio.sleep(0)
            assert status.state in (State.CANCELLED, State.FAILED)
            assert saves.active == 0
