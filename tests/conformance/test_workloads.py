"""Jobs and the change of a Deployment, on the fake API server and on the real cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes.aio import client, config

from devcluster.settings import Settings
from hub_service.clients.deployments import Deployments
from hub_service.clients.workloads import (
    JOB_LABEL,
    MADE,
    TAKEN,
    THERE,
    WorkloadPod,
    Workloads,
)
from hub_service.errors import Unavailable
from tests.conformance.namespaces import RealNamespace
from tests.fakes.kubernetes_api import FakeKubernetes

pytestmark = pytest.mark.cluster

SCRIPT = "echo one; echo two"


@dataclass
class Place:
    """A namespace, and what plays the parts that the kubelet plays in a real one."""

    workloads: Workloads
    deployments: Deployments
    image: str
    play: Callable[[str], None]
    add_deployment: Callable[[str], None]
    variables: Callable[[str], dict[str, str]]

    def job(self, id: str, name: str = "work") -> dict[str, Any]:
        """Return a Job of one container that says two lines."""
        labels = {JOB_LABEL: id}
        container = {
            "name": "say",
            "image": self.image,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", SCRIPT],
        }
        spec = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
        }
        template = {"metadata": {"labels": labels}, "spec": spec}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "labels": labels},
            "spec": {"backoffLimit": 0, "template": template},
        }


async def fake_place(stack: AsyncExitStack) -> Place:
    fake = FakeKubernetes()
    url = await stack.enter_async_context(fake.running())
    api = client.ApiClient(client.Configuration(host=url))
    stack.push_async_callback(api.close)

    def play(id: str) -> None:
        build = fake.workloads.of_job(id)
        build.tell("say", "one", "two")
        build.end("say")

    def add_deployment(name: str) -> None:
        fake.deployments.variables[name] = {"main": {"KEPT": "yes"}}

    return Place(
        Workloads(api, namespace="desktops"),
        Deployments(api, namespace="desktops"),
        "any",
        play,
        add_deployment,
        lambda name: fake.deployments.variables[name]["main"],
    )


async def real_place(stack: AsyncExitStack) -> Place:
    settings = Settings.from_environment({})
    if not settings.kubeconfig.exists():
        pytest.skip("needs the real cluster: run make test, which brings it up")
    namespace = RealNamespace(settings.kubeconfig, pause="")
    # The only image with a shell that the node has for certain is the demo's registry.
    place = f"--namespace={namespace.name}"
    try:
        wanted = "-ojsonpath={.spec.template.spec.containers[0].image}"
        image = namespace.kubectl("-ndesktops", "get", "deployment/registry", wanted)
        namespace.create()
    except (AssertionError, FileNotFoundError) as error:
        pytest.skip(f"needs the demo: run make demo ({error})")
    stack.callback(namespace.delete)
    namespace.kubectl("wait", "--for=create", "serviceaccount/default", place)
    connect: Any = config.new_client_from_config
    api = await connect(str(settings.kubeconfig))
    stack.push_async_callback(api.close)

    def variables(name: str) -> dict[str, str]:
        found = json.loads(namespace.kubectl("get", "deploy", name, place, "-ojson"))
        [container] = found["spec"]["template"]["spec"]["containers"]
        return {one["name"]: one["value"] for one in container["env"]}

    def add_deployment(name: str) -> None:
        content = json.dumps(sleeping(name, image))
        namespace.kubectl("apply", place, "-f", "-", text=content)

    return Place(
        Workloads(api, namespace=namespace.name),
        Deployments(api, namespace=namespace.name),
        image,
        lambda id: None,
        add_deployment,
        variables,
    )


def sleeping(name: str, image: str) -> dict[str, Any]:
    """Return a Deployment that does nothing."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["sleep", "600"],
        "env": [{"name": "KEPT", "value": "yes"}],
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


@pytest.fixture(params=["fake", "real"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        make = fake_place if request.param == "fake" else real_place
        yield await make(stack)


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until an answer is true."""
    for _ in range(600):
        if answer := await ask():
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError("did not come to pass")


async def test_a_job_is_made_once(place: Place) -> None:
    workloads = place.workloads
    assert await workloads.create_job(place.job("a"), {"file": "text"}) == MADE
    assert await workloads.create_job(place.job("a"), {"file": "text"}) == THERE
    assert await workloads.create_job(place.job("b"), {"file": "text"}) == TAKEN


async def test_its_pod_tells_its_lines_and_ends(place: Place) -> None:
    await place.workloads.create_job(place.job("a"), {})

    async def pod() -> WorkloadPod | None:
        return await place.workloads.pod("a")

    await until(pod)
    place.play("a")

    async def ended() -> WorkloadPod | None:
        found = await pod()
        return found if found and found.ended else None

    found = await until(ended)
    assert (found.phase, dict(found.states)) == ("Succeeded", {"say": "done"})
    lines = [line async for line in place.workloads.log(found.name, "say")]
    assert lines == ["one", "two"]


async def test_what_is_removed_is_gone(place: Place) -> None:
    await place.workloads.create_job(place.job("a"), {"file": "text"})
    await until(lambda: place.workloads.remove("a"))
    assert await place.workloads.pod("a") is None
    assert await place.workloads.remove("a")
    # Its name is free again, and so is its ConfigMap's.
    again = place.job("b")

    async def made() -> bool:
        return await place.workloads.create_job(again, {"file": "text"}) == MADE

    await until(made)


async def test_a_log_of_no_pod(place: Place) -> None:
    with pytest.raises(Unavailable):
        [line async for line in place.workloads.log("nobody", "say")]


async def test_a_deployment_gets_a_variable_and_loses_it(place: Place) -> None:
    place.add_deployment("program")
    await until(lambda: place.deployments.settled("program"))
    for _ in range(2):
        await place.deployments.set_variable("program", "main", "MODE", "{a: 1}")
    assert place.variables("program") == {"KEPT": "yes", "MODE": "{a: 1}"}
    await until(lambda: place.deployments.settled("program"))
    for _ in range(2):
        await place.deployments.set_variable("program", "main", "MODE", None)
    assert place.variables("program") == {"KEPT": "yes"}
    await until(lambda: place.deployments.settled("program"))


async def test_a_deployment_that_is_not_there(place: Place) -> None:
    with pytest.raises(Unavailable):
        await place.deployments.settled("nobody")
