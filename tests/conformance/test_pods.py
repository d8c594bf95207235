"""hub_service's reading of pods, on the fake API server of its tests and on the real cluster."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client, config

from devcluster.image import pause_image_name
from devcluster.settings import NODE_NAME, Settings
from hub_service.clients.kube import Cluster
from hub_service.errors import Unavailable
from hub_service.models import Server
from tests.fakes.kubernetes_api import FakeKubernetes

pytestmark = pytest.mark.cluster


@dataclass
class Place:
    """A namespace, and what a test may do in it."""

    cluster: Cluster
    node: str
    add_session: Callable[[str, str], str]
    add_agent: Callable[[], str]
    remove: Callable[[str], None]
    address: str | None = None
    """The agent's address, where the test chooses it."""


class RealNamespace:
    """A namespace of the real cluster, with pods that do nothing."""

    def __init__(self, kubeconfig: Path, pause: str) -> None:
        self.name = f"conformance-{uuid.uuid4().hex[:6]}"
        self._kubeconfig = kubeconfig
        self._pause = pause

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        command = ["kubectl", f"--kubeconfig={self._kubeconfig}", *arguments]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self) -> None:
        self.kubectl("create", "namespace", self.name)

    def delete(self) -> None:
        self.kubectl("delete", "namespace", self.name, "--wait=false")

    def add(self, labels: dict[str, str], notes: dict[str, str]) -> str:
        """Run a pod and return its uid."""
        name = f"pod-{uuid.uuid4().hex[:6]}"
        container = {
            "name": "notebook",
            "image": self._pause,
            "imagePullPolicy": "Never",
        }
        metadata = {
            "name": name,
            "namespace": self.name,
            "labels": labels,
            "annotations": notes,
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {
                "nodeName": NODE_NAME,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
            },
        }
        # Created as soon as the namespace has its service account.
        place = f"--namespace={self.name}"
        self.kubectl(
            "wait",
            "--for=create",
            "serviceaccount/default",
            place,
            "--timeout=60s",
        )
        self.kubectl("create", "-f", "-", text=json.dumps(pod))
        self.kubectl(
            "wait", "--for=condition=Ready", f"pod/{name}", place, "--timeout=60s"
        )
        return self.kubectl("get", "pod", name, place, "-o=jsonpath={.metadata.uid}")

    def remove(self, uid: str) -> None:
        """Let a pod be gone."""
        place = f"--namespace={self.name}"
        pods = json.loads(self.kubectl("get", "pods", place, "-o=json"))["items"]
        for pod in pods:
            if pod["metadata"]["uid"] == uid:
                self.kubectl("delete", "pod", pod["metadata"]["name"], place)


def session_notes(user: str, server: str) -> dict[str, str]:
    return {"hub.jupyter.org/username": user, "hub.jupyter.org/servername": server}


async def fake_place(stack: AsyncExitStack) -> Place:
    fake = FakeKubernetes()
    url = await stack.enter_async_context(fake.running())
    api = client.CoreV1Api(client.ApiClient(client.Configuration(host=url)))
    cluster = Cluster(api, namespace="desktops", container="notebook", agent_port=9)
    stack.push_async_callback(cluster.close)

    def add_agent() -> str:
        fake.add_agent("10.0.0.8")
        return str(fake.pods[-1]["metadata"]["uid"])

    return Place(cluster, "n1", fake.add_session, add_agent, fake.remove, "10.0.0.8")


async def real_place(stack: AsyncExitStack) -> Place:
    settings = Settings.from_environment({})
    if not settings.kubeconfig.exists() or not shutil.which("kubectl"):
        pytest.skip("needs the real cluster: run make test, which brings it up")
    pause = pause_image_name((settings.bin / "pause").read_bytes())
    namespace = RealNamespace(settings.kubeconfig, pause)
    try:
        namespace.create()
    except AssertionError as error:
        pytest.skip(f"the cluster does not answer: make test brings it up ({error})")
    stack.callback(namespace.delete)
    connect: Any = config.new_client_from_config
    api = client.CoreV1Api(await connect(str(settings.kubeconfig)))
    cluster = Cluster(api, namespace=namespace.name, container="notebook", agent_port=9)
    stack.push_async_callback(cluster.close)
    labels = {
        "app.kubernetes.io/name": "desktops",
        "app.kubernetes.io/component": "snapshot-agent",
    }
    return Place(
        cluster,
        NODE_NAME,
        lambda user, server: namespace.add(
            {"component": "singleuser-server"}, session_notes(user, server)
        ),
        lambda: namespace.add(labels, {}),
        namespace.remove,
    )


@pytest.fixture(params=["fake", "real"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        make = fake_place if request.param == "fake" else real_place
        yield await make(stack)


async def test_the_pod_of_a_server(place: Place) -> None:
    uid = place.add_session("Ünal O'Neil", "")
    named = place.add_session("Ünal O'Neil", "second one")
    pod = await place.cluster.session_pod(Server("Ünal O'Neil", ""))
    assert pod is not None
    assert (pod.uid, pod.node, pod.running) == (uid, place.node, True)
    assert pod.image
    other = await place.cluster.session_pod(Server("Ünal O'Neil", "second one"))
    assert other is not None
    assert other.uid == named
    assert await place.cluster.session_pod(Server("somebody else", "")) is None


async def test_a_pod_that_is_gone(place: Place) -> None:
    place.remove(place.add_session("alice", ""))
    assert await place.cluster.session_pod(Server("alice", "")) is None


async def test_the_agent_of_a_node(place: Place) -> None:
    with pytest.raises(Unavailable):
        await place.cluster.agent_on(place.node)
    place.add_agent()
    url = await place.cluster.agent_on(place.node)
    assert url.startswith(f"http://{place.address or '10.'}")
    assert url.endswith(":9")
    with pytest.raises(Unavailable):
        await place.cluster.agent_on("another-node")
