"""Who may ask, and about what: the API server's word, on a fake one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from snapshot_agent.api.auth import Gate
from snapshot_agent.api.kube import KubeCluster, KubeError
from snapshot_agent.errors import AgentError, Forbidden, InternalError, Unauthenticated
from tests.fakes.kubernetes import FakeKubernetes, FakePod

AUDIENCE = "desktops-snapshot-agent"


@pytest.fixture
def kubernetes() -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as fake:
        fake.tokens = {
            "good": ("system:serviceaccount:desktops:hub-service", [AUDIENCE]),
            "other": ("system:serviceaccount:desktops:other", [AUDIENCE]),
            "wide": ("system:serviceaccount:desktops:hub-service", ["kubernetes"]),
        }
        yield fake


@pytest.fixture
async def cluster(
    kubernetes: FakeKubernetes, tmp_path: Path
) -> AsyncIterator[KubeCluster]:
    made = await KubeCluster.connect(
        kubeconfig=str(kubernetes.kubeconfig(tmp_path / "kubeconfig")),
        node="node-1",
        namespaces=["desktops", "more"],
        label_selector="component=singleuser-server",
        owner_annotation="hub.jupyter.org/username",
    )
    yield made
    await made.close()


@pytest.fixture
def gate(cluster: KubeCluster) -> Gate:
    return Gate(cluster, AUDIENCE, ["desktops:hub-service"])


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("", Unauthenticated),
        ("Basic good", Unauthenticated),
        ("Bearer ", Unauthenticated),
        ("Bearer bad", Unauthenticated),
        ("Bearer wide", Unauthenticated),
        ("Bearer other", Forbidden),
    ],
)
async def test_who_may_not(gate: Gate, header: str, error: type[AgentError]) -> None:
    with pytest.raises(error):
        await gate.check(header)


async def test_who_may_is_asked_about_once(
    gate: Gate, kubernetes: FakeKubernetes
) -> None:
    for _ in range(5):
        assert (await gate.check("Bearer good")).endswith(":hub-service")
    assert kubernetes.reviews == 1


async def test_nobody_gets_in_without_a_name(cluster: KubeCluster) -> None:
    with pytest.raises(Forbidden):
        await Gate(cluster, AUDIENCE, []).check("Bearer good")


async def test_only_sessions_of_this_node_exist(
    cluster: KubeCluster, kubernetes: FakeKubernetes
) -> None:
    kubernetes.pods = [
        FakePod("here", containers={"notebook": "abc"}),
        FakePod("second", namespace="more"),
        FakePod("elsewhere", node="node-2"),
        FakePod("foreign", namespace="kube-system"),
        FakePod("other", labels={"component": "hub"}),
        FakePod("starting", containers={"notebook": "abc"}, running=False),
    ]
    found = await cluster.pod("here")
    assert found is not None
    assert (found.owner, found.containers) == ("alice", {"notebook": "abc"})
    assert await cluster.pod("second") is not None
    for uid in ("elsewhere", "foreign", "other", "none"):
        assert await cluster.pod(uid) is None
    starting = await cluster.pod("starting")
    assert starting is not None and starting.containers == {}


async def test_a_persons_desktop_becomes_no_one_elses_image(
    cluster: KubeCluster, kubernetes: FakeKubernetes
) -> None:
    kubernetes.pods = [FakePod("here", owner="alice")]
    found = await cluster.pod("here")
    assert found is not None
    found.check_owner("alice", "alice")
    with pytest.raises(Forbidden):
        found.check_owner("alice", "bob")


async def test_a_notebook_is_its_namespaces_whatever_is_written_on_it(
    kubernetes: FakeKubernetes, tmp_path: Path
) -> None:
    labels = {"notebook-name": "desk"}
    kubernetes.pods = [FakePod("here", owner="bob", namespace="team", labels=labels)]
    made = await KubeCluster.connect(
        kubeconfig=str(kubernetes.kubeconfig(tmp_path / "other")),
        node="node-1",
        namespaces=["team"],
        label_selector="notebook-name",
        owner_annotation="",
    )
    try:
        found = await made.pod("here")
        assert found is not None
        found.check_owner("team", "alice")
        with pytest.raises(Forbidden):
            found.check_owner("bob", "bob")
    finally:
        await made.close()


async def test_an_api_server_that_is_away(tmp_path: Path) -> None:
    with FakeKubernetes() as gone:
        config = str(gone.kubeconfig(tmp_path / "kubeconfig"))
    made = await KubeCluster.connect(
        kubeconfig=config,
        node="n",
        namespaces=["desktops"],
        label_selector="a=b",
        owner_annotation="",
    )
    try:
        with pytest.raises(KubeError):
            await made.pod("x")
        with pytest.raises(InternalError):
            await Gate(made, AUDIENCE, []).check("Bearer good")
    finally:
        await made.close()
