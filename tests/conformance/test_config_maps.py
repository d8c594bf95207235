"""Changing one key of another program's ConfigMap, on the fake API server and on the real one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes.aio import client, config

from hub_service.clients.config_maps import ConfigMaps, Text
from hub_service.errors import NotFound
from hub_service.publishing.kubeflow_form import with_images
from tests.conformance.namespaces import real_namespace
from tests.fakes.kubernetes_api import FakeKubernetes
from tests.fakes.kubernetes_config_maps import FakeConfigMap
from tests.service.test_kubeflow_form import FORM, GIS, options, ours

pytestmark = pytest.mark.cluster

NAME, KEY = "jupyter-web-app-config", "spawner_ui_config.yaml"
DATA = {KEY: FORM, "logos-configmap.yaml": "logo: |\n  <svg/>\n"}


@dataclass
class Place:
    """A namespace with Kubeflow's ConfigMap, seen from hub_service and from beside."""

    config_maps: ConfigMaps
    data: Callable[[], dict[str, str]]
    change: Callable[[str, str], None]


async def fake_place(stack: AsyncExitStack) -> Place:
    fake = FakeKubernetes()
    fake.config_maps.known[NAME] = found = FakeConfigMap(dict(DATA))
    url = await stack.enter_async_context(fake.running())
    api = client.ApiClient(client.Configuration(host=url))
    stack.push_async_callback(api.close)

    def change(key: str, text: str) -> None:
        found.data[key] = text
        found.version += 1

    return Place(ConfigMaps(api, namespace="kubeflow"), lambda: found.data, change)


async def real_place(stack: AsyncExitStack) -> Place:
    namespace = real_namespace(stack)
    place = f"--namespace={namespace.name}"
    content = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME},
        "data": DATA,
    }
    # As whoever installs Kubeflow does it: the fields are another manager's.
    namespace.kubectl("apply", place, "-f", "-", text=json.dumps(content))
    connect: Any = config.new_client_from_config
    api = await connect(str(namespace.kubeconfig))
    stack.push_async_callback(api.close)

    def data() -> dict[str, str]:
        found = json.loads(namespace.kubectl("get", "configmap", NAME, place, "-ojson"))
        return dict(found["data"])

    def change(key: str, text: str) -> None:
        patch = json.dumps({"data": {key: text}})
        namespace.kubectl("patch", "configmap", NAME, place, f"--patch={patch}")

    return Place(ConfigMaps(api, namespace=namespace.name), data, change)


@pytest.fixture(params=["fake", "real"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        make = fake_place if request.param == "fake" else real_place
        yield await make(stack)


async def test_exactly_the_list_is_changed(place: Place) -> None:
    found = await place.config_maps.read(NAME, KEY)
    assert found.text == FORM
    new = Text(with_images(found.text, ours, [GIS]), found.version)
    assert await place.config_maps.apply(NAME, KEY, new)
    data = place.data()
    assert options(data[KEY]) == [*options(FORM), GIS]
    assert data == {**DATA, KEY: new.text}


async def test_what_somebody_changed_meanwhile_is_not_overwritten(place: Place) -> None:
    found = await place.config_maps.read(NAME, KEY)
    place.change(KEY, "theirs")
    assert not await place.config_maps.apply(NAME, KEY, Text("ours", found.version))
    assert place.data()[KEY] == "theirs"


async def test_what_is_not_there(place: Place) -> None:
    with pytest.raises(NotFound):
        await place.config_maps.read("another", KEY)
    with pytest.raises(NotFound):
        await place.config_maps.read(NAME, "another.yaml")
