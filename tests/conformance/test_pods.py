"""hub_service's reading of pods, on the fake API server of its tests and on the real cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes.aio import client, config

from devcluster.settings import NODE_NAME
from hub_service.clients.kube import Cluster
from hub_service.errors import Unavailable
from hub_service.models import Server
from tests.conformance.namespaces import real_namespace
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
    namespace = real_namespace(stack)
    connect: Any = config.new_client_from_config
    api = client.CoreV1Api(await connect(str(namespace.kubeconfig)))
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
