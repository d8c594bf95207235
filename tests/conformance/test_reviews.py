"""Tokens, rights and the pod of a Notebook: on the fake API server and on the real one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes.aio import client, config

from devcluster.settings import NODE_NAME
from hub_service.clients.kube import Cluster
from hub_service.clients.notebooks import Notebooks
from hub_service.clients.reviews import PodIdentity, Reviews
from hub_service.models import Server
from tests.conformance.namespaces import real_namespace
from tests.fakes.kubernetes_api import FakeKubernetes
from tests.fakes.kubernetes_reviews import AUDIENCE

pytestmark = pytest.mark.cluster

OWNER, GUEST = "owner@example.com", "guest@example.com"


@dataclass
class Place:
    """A namespace of OWNER's with the Notebook `desk`, and what a test may ask for in it."""

    notebooks: Notebooks
    reviews: Reviews
    namespace: str
    uid: str
    token: Callable[[str, bool], str]
    """A token of its pod for an audience; or of its account, bound to no pod."""


async def fake_place(stack: AsyncExitStack) -> Place:
    fake = FakeKubernetes()
    url = await stack.enter_async_context(fake.running())
    api = client.ApiClient(client.Configuration(host=url))
    stack.push_async_callback(api.close)
    uid = fake.add_notebook("team", "desk")
    fake.add_notebook("team", "desk", pod="another-0")
    fake.reviews.owners["team"] = OWNER
    fake.reviews.rights.add((OWNER, "team"))

    def token(audience: str, bound: bool) -> str:
        made = fake.reviews.bind(f"{audience} {bound}", "team", "desk-0", uid, audience)
        if not bound:
            fake.reviews.tokens[made].extra.clear()
        return made

    return _place(api, "team", uid, token)


async def real_place(stack: AsyncExitStack) -> Place:
    namespace = real_namespace(stack)
    here = f"--namespace={namespace.name}"
    namespace.kubectl("annotate", "namespace", namespace.name, f"owner={OWNER}")
    account = "serviceaccount/default"
    namespace.kubectl("wait", "--for=create", account, here, "--timeout=60s")
    for one in [
        *_rights(),
        _pod("desk-0", namespace.pause),
        _pod("another-0", namespace.pause),
    ]:
        namespace.kubectl("create", here, "-f", "-", text=json.dumps(one))
    ready = ("--for=condition=Ready", "pod/desk-0", "--timeout=60s")
    namespace.kubectl("wait", here, *ready)
    uid = namespace.kubectl("get", "pod", "desk-0", here, "-o=jsonpath={.metadata.uid}")
    connect: Any = config.new_client_from_config
    api = await connect(str(namespace.kubeconfig))
    stack.push_async_callback(api.close)

    def token(audience: str, bound: bool) -> str:
        pod = ["--bound-object-kind=Pod", "--bound-object-name=desk-0"]
        more = [*pod, f"--bound-object-uid={uid}"] if bound else []
        words = ("create", "token", "default", here, f"--audience={audience}", *more)
        return namespace.kubectl(*words).strip()

    return _place(api, namespace.name, uid, token)


def _place(
    api: Any, namespace: str, uid: str, token: Callable[[str, bool], str]
) -> Place:
    reviews = Reviews(api, audience=AUDIENCE)
    core = client.CoreV1Api(api)
    cluster = Cluster(core, namespace="x", container="notebook", agent_port=9)
    notebooks = Notebooks(cluster, reviews, [namespace])
    return Place(notebooks, reviews, namespace, uid, token)


def _pod(name: str, image: str) -> dict[str, Any]:
    """Return a pod that says that it is the Notebook `desk`."""
    labels = {"notebook-name": "desk", "statefulset": "desk"}
    container = {"name": "desk", "image": image, "imagePullPolicy": "Never"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "nodeName": NODE_NAME,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        },
    }


def _rights() -> list[dict[str, Any]]:
    """Return what lets OWNER update Notebooks, though the cluster has no such objects."""
    group = "rbac.authorization.k8s.io"
    known = {"apiVersion": f"{group}/v1", "metadata": {"name": "notebooks"}}
    rule = {"apiGroups": ["kubeflow.org"], "resources": ["notebooks"]}
    return [
        {**known, "kind": "Role", "rules": [{**rule, "verbs": ["get", "update"]}]},
        {
            **known,
            "kind": "RoleBinding",
            "subjects": [{"kind": "User", "name": OWNER, "apiGroup": group}],
            "roleRef": {"kind": "Role", "name": "notebooks", "apiGroup": group},
        },
    ]


@pytest.fixture(params=["fake", "real"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        make = fake_place if request.param == "fake" else real_place
        yield await make(stack)


async def test_the_pod_of_a_token(place: Place) -> None:
    account = await place.reviews.account(place.token(AUDIENCE, True))
    assert account is not None and account.pod is not None
    assert account.pod == PodIdentity(place.namespace, "desk-0", place.uid)
    assert account.name.startswith(f"{place.namespace}:default")
    server = await place.notebooks.of_pod(account.pod)
    assert server == Server(place.namespace, "desk")


async def test_tokens_that_are_no_pods(place: Place) -> None:
    account = await place.reviews.account(place.token(AUDIENCE, False))
    assert account is not None and account.pod is None
    assert account.name.startswith(f"{place.namespace}:default")
    assert await place.reviews.account(place.token("somebody-else", True)) is None
    assert await place.reviews.account("nonsense") is None
    assert await place.reviews.account("") is None


async def test_who_may_update_the_notebook(place: Place) -> None:
    assert await place.reviews.may_update(OWNER, place.namespace, "desk")
    assert not await place.reviews.may_update(GUEST, place.namespace, "desk")
    assert not await place.reviews.may_update(OWNER, "another-namespace", "desk")
    assert await place.reviews.owner(place.namespace) == OWNER


async def test_the_pod_of_a_notebook_is_its_statefulsets(place: Place) -> None:
    pod = await place.notebooks.pod(Server(place.namespace, "desk"))
    assert pod is not None
    assert (pod.uid, pod.name, pod.running) == (place.uid, "desk-0", True)
    assert pod.image
    assert await place.notebooks.pod(Server(place.namespace, "none")) is None
    assert await place.notebooks.pod(Server("another-namespace", "desk")) is None
    pretended = PodIdentity(place.namespace, "another-0", "any")
    assert await place.notebooks.of_pod(pretended) is None
    [server] = await place.notebooks.servers(OWNER)
    assert server.server == Server(place.namespace, "desk")
    assert await place.notebooks.servers(GUEST) == []
