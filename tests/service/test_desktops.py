"""The page of running desktops, and what images are called that something was started from."""

import pytest

from hub_service.images.origins import short_name
from tests.fakes.hub import READ, WRITE
from tests.service.conftest import BASE, World
from tests.service.test_database import version
from tests.service.test_pages import page_client

BASES = {"remote-desktop": BASE, "r": "example.org/desktops/r:1"}


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (BASE, "remote-desktop"),
        (f"{BASE}@sha256:{'a' * 64}", "remote-desktop"),
        ("10.97.0.1:5000/desktops/base:1", "remote-desktop"),
        ("localhost/desktops/base:of-last-year", "remote-desktop"),
        ("docker.io/library/debian:13", "debian:13"),
        ("base", "base"),
    ],
)
def test_a_reference_has_a_name(reference: str, name: str) -> None:
    assert short_name(reference, BASES) == name


async def test_a_desktop_says_what_it_is_and_is_stopped(world: World) -> None:
    assert world.services
    client = page_client(world, world.hub.add_user("alice", READ, WRITE))
    one = version(3)
    world.services.catalogue.add_version("alice", "gis", "GIS & R", one)
    world.hub.add_server("alice", user_options={"session": "customise"})
    world.cluster.add_session("alice", image=one.reference)
    world.hub.add_server("alice", "work", user_options={"session": "use"})
    world.cluster.add_session("alice", "work", image=BASE)
    page = (await client.get("desktops")).text
    assert "GIS &amp; R, version 3 · to customise it" in page
    assert "Remote Desktop · to work in it" in page
    assert "What you have not saved as an image is gone" in page
    assert "Your home folder is kept" in page
    reply = await client.post("desktops", data={"server": "work"})
    assert reply.status_code == 302
    assert world.hub.stopped == [("alice", "work")]
    shown = await client.get(f"{world.url}{reply.headers['location']}")
    assert "The desktop is being stopped." in shown.text


async def test_nobody_stops_what_is_being_saved_nor_what_is_anothers(
    world: World,
) -> None:
    world.agent.script = ["hang"]
    api = world.alice()
    body = {"server": {"user": "alice"}, "image": "Long"}
    assert (await api.post("/commits", json=body)).status_code == 202
    client = page_client(world, "token-of-alice")
    assert 'data-confirm="Stop' not in (await client.get("desktops")).text
    reply = await client.post("desktops", data={"server": ""})
    assert reply.status_code == 409
    reader = page_client(world, world.hub.add_user("bob", READ))
    assert (await reader.post("desktops", data={"server": ""})).status_code == 403
    assert world.hub.stopped == []


async def test_pages_name_what_a_version_was_started_from(world: World) -> None:
    assert world.services
    catalogue = world.services.catalogue
    origin = {"name": f"localhost:30500/desktops/base:1@sha256:{'b' * 64}"}
    secret = version(7, digest="sha256:secret", reference="x@sha256:secret")
    catalogue.add_version("bob", "secret", "Secret plans", secret)
    first = version(1, base=origin, origin=origin)
    second = version(
        2, base={"name": first.reference, "digest": first.digest}, origin=origin
    )
    hidden = {"name": "localhost:30500/desktops/bob/secret@sha256:secret"}
    third = version(3, base=hidden, origin=origin)
    for one in (first, second, third):
        catalogue.add_version("alice", "gis", "GIS", one)
    client = page_client(world, world.hub.add_user("alice", READ, WRITE))
    for path in ("", "/versions/2", "/compare?from=1&to=2"):
        page = (await client.get(f"images/alice/gis{path}")).text
        assert ">GIS, version 1</span>" in page, path
        assert f'<span title="{origin["name"]}">Remote Desktop</span>' in page, path
    page = (await client.get("images/alice/gis/versions/3")).text
    assert "Secret plans" not in page and ">secret</span>" in page
