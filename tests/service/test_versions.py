"""What is in a version, and two of them side by side."""

import httpx
import pytest

from hub_service.images.comparison import biggest
from hub_service.models import Version
from tests.fakes.hub import READ, WRITE
from tests.service.conftest import World
from tests.service.test_database import version
from tests.service.test_package_changes import packages
from tests.service.test_pages import page_client

IMAGE = "/images/alice/gis"
QGIS = {"name": "qgis", "version": "3.40", "kind": "apt"}
OLDER = {"name": "r-base", "from": "4.2", "to": "4.4", "kind": "apt"}
NUMPY = {"name": "numpy", "version": "2.0", "kind": "pip"}


def chain() -> list[Version]:
    """Three versions, each made from the one before, and one from another image."""
    first = version(1, details=packages(added=[QGIS], upgraded=[OLDER]))
    second = version(2, base=based(first), details=packages(removed=[QGIS]))
    third = version(
        3,
        base=based(second),
        size=5_400_000_000,
        details={
            **packages(added=[NUMPY]),
            "biggest": [{"path": "/opt/<data>", "bytes": 10**9}],
        },
    )
    other = {"name": "elsewhere:1", "digest": "sha256:1"}
    return [
        first,
        second,
        third,
        version(4, base=other, details=packages(added=[QGIS])),
    ]


def based(one: Version) -> dict[str, str]:
    return {"name": one.reference, "digest": one.digest}


@pytest.fixture
def alice(world: World) -> httpx.AsyncClient:
    """The owner of an image with such versions."""
    assert world.services
    client = world.alice()
    for one in chain():
        world.services.catalogue.add_version("alice", "gis", "GIS", one)
    return client


async def compare(client: httpx.AsyncClient, first: int, second: int) -> httpx.Response:
    return await client.get(f"{IMAGE}/comparison", params={"from": first, "to": second})


async def test_any_two_versions_are_compared(alice: httpx.AsyncClient) -> None:
    found = (await compare(alice, 1, 3)).json()
    assert found["packages"] == packages(added=[NUMPY], removed=[QGIS])["packages"]
    assert (found["author"], found["same_root"]) == ("alice", True)
    assert (found["from"]["number"], found["to"]["number"]) == (1, 3)
    back = (await compare(alice, 3, 1)).json()
    assert back["packages"] == packages(added=[QGIS], removed=[NUMPY])["packages"]
    same = (await compare(alice, 2, 2)).json()
    assert same["packages"] == packages()["packages"]


async def test_a_version_in_between_may_be_deleted(alice: httpx.AsyncClient) -> None:
    before = (await compare(alice, 1, 3)).json()
    assert (await alice.delete(f"{IMAGE}/versions/2")).status_code == 200
    assert (await compare(alice, 1, 3)).json() == before


async def test_different_beginnings_are_told(alice: httpx.AsyncClient) -> None:
    found = (await compare(alice, 1, 4)).json()
    assert found["same_root"] is False


async def test_what_is_no_version_is_not_compared(
    world: World, alice: httpx.AsyncClient
) -> None:
    assert (await compare(alice, 1, 9)).status_code == 404
    bare = await alice.get(f"{IMAGE}/comparison?from=1")
    assert (bare.status_code, bare.json()["error"]["code"]) == (422, "invalid_request")
    share = {"visibility": "shared", "shared_with": {"users": ["bob"]}}
    await alice.patch(IMAGE, json=share)
    bob = world.client(world.hub.add_user("bob", READ, WRITE))
    assert (await compare(bob, 4, 4)).status_code == 200
    assert (await compare(bob, 1, 4)).status_code == 404


def test_the_biggest_files_of_two_versions_are_side_by_side() -> None:
    def one(number: int, **files: int) -> Version:
        told = [{"path": f"/{path}", "bytes": size} for path, size in files.items()]
        return version(number, details={"biggest": told})

    files = biggest(one(1, a=3, b=9), one(2, b=1, c=5, d=5))
    assert [(file.path, file.bytes) for file in files] == [
        ("/b", (9, 1)),
        ("/c", (None, 5)),
        ("/d", (None, 5)),
        ("/a", (3, None)),
    ]
    assert biggest(version(1), version(2)) == []


async def test_the_pages_show_it_all(world: World, alice: httpx.AsyncClient) -> None:
    english = page_client(world, "token-of-alice")
    page = (await english.get("images/alice/gis/versions/3")).text
    assert "numpy" in page and "/opt/&lt;data&gt;" in page and "1.0 GB" in page
    page = (await english.get("images/alice/gis/versions/1")).text
    assert "4.2 → 4.4" in page and "qgis" in page
    page = (await english.get("images/alice/gis/compare?from=1&to=3")).text
    assert "From version 1 to version 3" in page and "(+ 400 MB)" in page
    assert "different images" not in page
    assert "Of version 1 it is not recorded which files are the biggest." in page
    assert "/opt/&lt;data&gt;" in page and ">1.0 GB</td>" in page
    page = (await english.get("images/alice/gis/compare?from=3&to=4")).text
    assert "different images" in page
    missing = await english.get("images/alice/gis/compare?from=1&to=nine")
    assert missing.status_code == 404
    assert (await english.get("images/alice/gis/versions/9")).status_code == 404
    french = page_client(world, "token-of-alice", "fr")
    page = (await french.get("images/alice/gis/compare?from=1&to=3")).text
    assert "De la version 1 à la version 3" in page and "Paquets retirés" in page
