"""What an administrator decided of an image: limits and looks; and that its starts are told."""

from typing import Any

import pytest

from desktop_spawner import DesktopSpawner
from desktop_spawner.form import render_form
from desktop_spawner.profiles import amount
from tests.spawner.conftest import ENTRY, FakeCatalogue
from tests.spawner.test_spawner import pod_of

BOTH = {"cpu": 1.5, "memory": 3 * 10**9, "gpu": 1}


def offer(catalogue: FakeCatalogue, **fields: Any) -> None:
    catalogue.entries = [{**ENTRY, **fields}]


def resources(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = pod["spec"]["containers"][0]["resources"]
    return found


async def test_limits_take_the_place_of_the_size(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    offer(catalogue, limits=BOTH)
    pod = await pod_of(spawner, profile="alice/gis", size="big")
    assert resources(pod)["limits"] == {
        "cpu": 1.5,
        "memory": 3 * 10**9,
        "nvidia.com/gpu": "1",
    }


async def test_one_limit_leaves_the_size_the_rest(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    offer(catalogue, limits={"memory": 3 * 10**9})
    pod = await pod_of(spawner, profile="alice/gis", size="big")
    assert resources(pod)["limits"] == {"cpu": 4, "memory": 3 * 10**9}


async def test_no_guarantee_exceeds_a_limit(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    # Kubernetes refuses such a pod.
    small = {**spawner.sizes[0], "mem_guarantee": "1G", "cpu_guarantee": 0.5}
    spawner.sizes = [small]
    offer(catalogue, limits={"cpu": 0.25, "memory": 5 * 10**8})
    pod = await pod_of(spawner, profile="alice/gis")
    assert resources(pod)["requests"] == {"cpu": 0.25, "memory": 5 * 10**8}


async def test_no_limit_of_an_earlier_choice_stays(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    offer(catalogue, limits=BOTH)
    await pod_of(spawner, profile="alice/gis")
    again = await pod_of(spawner, profile="base", size="small")
    assert resources(again)["limits"] == {"cpu": 1, "memory": 2 * 2**30}
    spawner.sizes = []
    assert not resources(await pod_of(spawner, profile="base"))["limits"]


async def test_what_the_configuration_gives_to_all_is_kept(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    spawner.config.KubeSpawner.extra_resource_limits = {"nvidia.com/gpu": "2"}
    spawner.config.DesktopSpawner.cpu_limit = 8
    spawner.sizes = []
    offer(catalogue, limits={"gpu": 1})
    assert resources(await pod_of(spawner, profile="alice/gis"))["limits"] == {
        "cpu": 8,
        "nvidia.com/gpu": "1",
    }
    assert resources(await pod_of(spawner, profile="base"))["limits"] == {
        "cpu": 8,
        "nvidia.com/gpu": "2",
    }


@pytest.mark.parametrize(
    ("text", "number"),
    [("2G", 2 * 2**30), ("500M", 500 * 2**20), (2, 2), ("0.5", 0.5), ("1024", 1024)],
)
def test_sizes_are_read_as_jupyterhub_reads_them(
    text: str | float, number: float
) -> None:
    assert amount(text) == number


async def test_the_card_shows_picture_tags_and_limits(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    looks = {"icon": "map", "picture": "", "tags": ["<gis>", "maps"]}
    offer(catalogue, limits=BOTH, **looks)
    profiles = await spawner.desktop_profiles()
    answer = await spawner.catalogue.profiles("alice")
    html = render_form(
        profiles, answer=answer, chosen={}, language="fr", idle_hours=0.0
    )
    assert "fa-map" in html and "&lt;gis&gt;" in html
    assert "1,5 CPU · 3,0 Go de mémoire · 1 GPU" in html
    assert html.count('data-sized="no"') == 1 and html.count('data-sized="yes"') == 1


async def test_a_start_is_told_to_the_catalogue(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    await pod_of(spawner, profile="base")
    await spawner.report_start()
    assert catalogue.starts == []
    await pod_of(spawner, profile="alice/gis")
    await spawner.report_start()
    assert catalogue.starts == [
        {"image": {"owner": "alice", "name": "gis"}, "version": 3}
    ]


async def test_a_catalogue_that_is_down_stops_no_start(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    await pod_of(spawner, profile="alice/gis")
    catalogue.down = True
    await spawner.report_start()
    assert catalogue.starts == []
