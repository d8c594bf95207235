"""Publishing into Kubeflow's form, through the API: who may, what stands there, what cannot."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.fakes.hub import ADMIN, READ, WRITE
from tests.fakes.kubernetes_config_maps import FakeConfigMap
from tests.service.conftest import World
from tests.service.test_kubeflow_form import FORM, options
from tests.service.test_retention import add, dry_run, numbers, old
from tests.service.test_robots import robot_of

PIPELINE = "localhost:30500/pipeline"
CONFIG, KEY = "jupyter-web-app-config", "spawner_ui_config.yaml"


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running; pipelines publish what is below one path of the registry."""
    neighbours.settings["publish_registries"] = [PIPELINE]
    async with neighbours.serving():
        yield neighbours


def installed(world: World, more: str = "") -> FakeConfigMap:
    """Install a Kubeflow, whose form has more lines after its last image."""
    last = f"    - {options(FORM)[-1]}\n"
    form = FORM.replace(last, last + more)
    found = FakeConfigMap({KEY: form, "other.yaml": "a: 1\n"})
    world.cluster.config_maps.known[CONFIG] = found
    return found


def boss(world: World) -> httpx.AsyncClient:
    """Return an administrator's client."""
    return world.client(world.hub.add_user("boss", READ, WRITE, ADMIN))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("did not come to pass")


async def test_a_published_image_is_there_while_an_administrator_wants_it(
    world: World,
) -> None:
    form, admin = installed(world), boss(world)
    job = await world.saved(world.alice())
    path = "/images/alice/gis-course"
    await admin.patch(path, json={"kubeflow": True})
    await asyncio.sleep(0.2)
    assert form.data[KEY] == FORM
    await admin.patch(path, json={"visibility": "published"})
    entry = f"localhost:30500/desktops/alice/gis-course:v1@{job['result']['digest']}"
    await until(lambda: options(form.data[KEY]) == [*options(FORM), entry])
    assert form.managers == ["jupyterhub-desktops"]
    assert form.data["other.yaml"] == "a: 1\n"
    await admin.patch(path, json={"visibility": "private"})
    await until(lambda: form.data[KEY] == FORM)


async def test_what_kubeflow_offered_lately_is_not_deleted_as_unused(
    world: World,
) -> None:
    form, admin = installed(world), boss(world)
    add(world, "alice", "gis", old(1, "1"), old(2, "2"))
    path = "/images/alice/gis"
    changes = {"kubeflow": True, "visibility": "published", "published_version": 1}
    assert (await admin.patch(path, json=changes)).status_code == 200
    await until(lambda: form.data[KEY] != FORM)
    await admin.patch(path, json={"visibility": "private"})
    await until(lambda: form.data[KEY] == FORM)
    # Notebooks that were started there may still run it.
    assert numbers(await dry_run(admin)) == []
    assert world.services
    world.services.retention.clock = lambda: datetime.now(UTC) + timedelta(days=31)
    assert numbers(await dry_run(admin)) == [1]


async def test_only_administrators_put_it_there(world: World) -> None:
    alice = world.alice()
    await world.saved(alice)
    reply = await alice.patch("/images/alice/gis-course", json={"kubeflow": True})
    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == "not_publisher"


async def test_a_kubeflow_that_is_not_there_is_told(world: World) -> None:
    assert world.services
    admin = boss(world)
    await world.saved(world.alice())
    await admin.patch("/images/alice/gis-course", json={"visibility": "published"})
    page = await admin.get(f"{world.url}/services/desktops/images/alice/gis-course")
    assert "There is no ConfigMap jupyter-web-app-config" in page.text
    form = installed(world)
    await admin.patch("/images/alice/gis-course", json={"kubeflow": True})
    await until(lambda: len(options(form.data[KEY])) == 3)
    page = await admin.get(f"{world.url}/services/desktops/images/alice/gis-course")
    assert "There is no ConfigMap" not in page.text


async def test_what_an_upgrade_of_kubeflow_wrote_stays_beside_ours(
    world: World,
) -> None:
    form, admin = installed(world), boss(world)
    await world.saved(world.alice())
    changes = {"visibility": "published", "kubeflow": True}
    await admin.patch("/images/alice/gis-course", json=changes)
    await until(lambda: len(options(form.data[KEY])) == 3)
    form.data[KEY], form.version = FORM.replace("v1.10.0", "v2.0.0"), 9
    assert world.services
    world.services.kubeflow.wake()
    await until(lambda: len(options(form.data[KEY])) == 3)
    assert options(form.data[KEY])[0].endswith("jupyter-scipy:v2.0.0")


async def test_what_a_pipeline_publishes_is_there_at_once(world: World) -> None:
    """Also from another registry than ours; what people have put there stays."""
    theirs = [f"{PIPELINE}/gis:v1", f"{PIPELINE}/gis:v4@sha256:{'0' * 64}"]
    lines = "".join(f"    - {one}\n" for one in theirs)
    form, admin = installed(world, lines), boss(world)
    robot = robot_of(world)
    entries = []
    for number in (1, 2):
        digest = world.registry.add_image("pipeline/gis", str(number), str(number))
        body = {"reference": f"{PIPELINE}/gis:{number}"}
        reply = await robot.post("/images/hub/gis/versions", json=body)
        assert reply.json()["state"] == "published", reply.text
        entries.append(f"{PIPELINE}/gis:v{number}@{digest}")
        wanted = [*options(FORM), *theirs, entries[-1]]
        await until(lambda: options(form.data[KEY]) == wanted)
    # Back to the one before, by who administers; and out of the form.
    await admin.patch("/images/hub/gis", json={"published_version": 1})
    wanted = [*options(FORM), *theirs, entries[0]]
    await until(lambda: options(form.data[KEY]) == wanted)
    await admin.patch("/images/hub/gis", json={"kubeflow": False})
    await until(lambda: options(form.data[KEY]) == [*options(FORM), *theirs])
    digest = world.registry.add_image("pipeline/gis", "3", "3")
    body = {"reference": f"{PIPELINE}/gis:3"}
    reply = await robot.post("/images/hub/gis/versions", json=body)
    assert reply.json()["published_version"] == 3
    await asyncio.sleep(0.2)
    assert options(form.data[KEY]) == [*options(FORM), *theirs]
    # As an earlier run of the service may have left it: a version of the catalogue's.
    left = f"    - {PIPELINE}/gis:v3@{digest}\n"
    form.data[KEY] = form.data[KEY].replace(
        f"    - {theirs[0]}\n", f"{left}    - {theirs[0]}\n"
    )
    assert world.services
    world.services.kubeflow.wake()
    await until(lambda: options(form.data[KEY]) == [*options(FORM), *theirs])
