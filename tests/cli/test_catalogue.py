"""Images, versions and publishing, against the real hub_service."""

import re

import pytest

from tests.cli.conftest import Desk, real_desk
from tests.fakes.hub import ADMIN, READ, WRITE
from tests.service.conftest import World
from tests.service.test_database import version

GIS = "alice/gis-course"


@pytest.fixture
async def alice(world: World) -> Desk:
    """The owner of an image with two versions."""
    client = world.alice()
    await world.saved(client)
    await world.saved(client)
    return real_desk(world, "token-of-alice")


@pytest.fixture
def admin(world: World) -> Desk:
    return real_desk(world, world.hub.add_user("root", ADMIN), "root")


async def test_a_save_of_a_real_service(world: World) -> None:
    world.alice()
    alice = real_desk(world, "token-of-alice")
    result = await alice.later("save", "GIS course", "--description", "adds QGIS")
    assert (result.code, result.output) == (0, "Saved as GIS course, version 1.\n")
    again = await alice.later("save", GIS, environ={"LANG": "fr_FR.UTF-8"})
    assert again.output == "Enregistré : GIS course, version 2.\n"
    jobs = (await alice.later("jobs", "--json")).document["items"]
    assert [job["version"] for job in jobs] == [2, 1]


async def test_a_save_that_the_agent_refuses(world: World) -> None:
    world.alice()
    world.agent.script = ["fail"]
    result = await real_desk(world, "token-of-alice").later("save", "GIS course")
    assert (result.code, result.output) == (1, "")
    assert "Your desktop is unharmed" in result.errors


async def test_a_save_is_cancelled(world: World) -> None:
    world.alice()
    world.agent.script = ["hang"]
    alice = real_desk(world, "token-of-alice")
    id = (await alice.later("save", "GIS course", "--detach")).output.strip()
    cancelled = await alice.later("cancel", id[:8])
    assert (cancelled.code, "Cancelling" in cancelled.output) == (0, True)
    followed = await alice.later("jobs", "--follow", id)
    assert followed.code == 1
    assert "Cancelled. Your desktop is unharmed" in followed.errors
    assert (await alice.later("cancel", id)).code == 0


async def test_the_table_of_images(world: World, alice: Desk) -> None:
    await world.saved(world.client("token-of-alice"), "R 数据 mit Ä")
    result = await alice.later("images")
    head, new, old = result.output.splitlines()
    titles = ["IMAGE", "TITLE", "VERSION", "SIZE", "VISIBILITY", "SAVED"]
    assert head.split() == titles
    cells = re.split(r"  +", old)
    assert cells[:3] == [GIS, "GIS course", "2"]
    assert cells[4:] == ["private", "just now"]
    quiet = (await alice.later("images", "-q")).output.split()
    assert quiet == [re.split(r"  +", new)[0], GIS]
    assert (await alice.later("images", "-q", "gis", "COURSE")).output == f"{GIS}\n"
    assert (await alice.later("images", "no", "such")).output.count("\n") == 1
    items = (await alice.later("images", "--json")).document["items"]
    assert [one["owner"] for one in items] == ["alice", "alice"]


async def test_all_pages_of_images_are_read(world: World) -> None:
    world.alice()
    assert world.services
    for number in range(120):
        name = f"image-{number}"
        world.services.catalogue.add_version("alice", name, name, version(1))
    result = await real_desk(world, "token-of-alice").later("images", "-q")
    assert len(set(result.output.split())) == 120


async def test_versions_and_rollback(alice: Desk) -> None:
    done = await alice.later("rollback", GIS, "1")
    assert (done.code, done.output) == (0, f"{GIS}: version 1 starts now.\n")
    head, second, first = (await alice.later("versions", GIS)).output.splitlines()
    assert head.startswith("VERSION  STATE   SIZE")
    assert second.startswith("2                ")
    assert first.startswith("1        active  ")
    assert first.endswith("just now  adds QGIS")
    document = (await alice.later("versions", GIS, "--json")).document
    assert [one["number"] for one in document["items"]] == [2, 1]
    assert (await alice.later("rollback", GIS, "9")).code == 4


async def test_deleting_asks_first(alice: Desk) -> None:
    one = f"{GIS}@1"
    silent = await alice.later("rm", one)
    assert (silent.code, "say --yes" in silent.errors) == (2, True)
    refused = await alice.later("rm", one, typed="no\n")
    assert (refused.code, "Nothing was deleted" in refused.errors) == (1, True)
    assert "Delete version 1 of alice/gis-course? [yes/no]" in refused.errors
    assert (await alice.later("rm", one, typed="\n")).code == 1
    done = await alice.later("rm", one, typed="Y\n")
    assert (done.code, f"{one} is deleted" in done.output) == (0, True)
    active = await alice.later("rm", f"{GIS}@2", "--yes")
    assert (active.code, "Make another one active first" in active.errors) == (1, True)
    french = await alice.later("rm", GIS, typed="oui\n", environ={"LANG": "fr"})
    assert french.code == 0
    assert "Supprimer alice/gis-course avec sa version ?" in french.errors
    assert (await alice.later("rm", GIS, "--yes")).code == 4


async def test_deleting_answers_with_what_becomes_free(alice: Desk) -> None:
    result = await alice.later("rm", GIS, "--yes", "--json")
    assert result.document == {"freed_bytes": 200}


async def test_asking_and_approving(alice: Desk, admin: Desk) -> None:
    asked = await alice.later("publish", f"{GIS}@1", "--note", "for the course")
    assert (
        asked.output == f"Version 1 of {GIS} is proposed; an administrator answers.\n"
    )
    assert (await alice.later("publish", GIS)).code == 1
    other = await admin.later("publish", f"{GIS}@2", "--approve")
    assert (other.code, "Version 1 was asked for" in other.errors) == (1, True)
    done = await admin.later("publish", GIS, "--approve", "--json")
    assert (done.code, done.document["state"]) == (0, "approved")
    assert done.document["decided_by"] == "root"
    lines = (await alice.later("versions", GIS)).output.splitlines()
    assert ["active" in line for line in lines[1:]] == [True, False]
    assert ["published" in line for line in lines[1:]] == [False, True]


async def test_an_administrator_publishes_what_nobody_asked_for(
    alice: Desk, admin: Desk
) -> None:
    done = await admin.later("publish", GIS, "--approve")
    assert done.output == f"Everybody can start version 2 of {GIS} now.\n"
    assert (await alice.later("rm", GIS, "--yes")).code == 1
    one = await admin.later("publish", f"{GIS}@1", "--approve", "--json")
    assert one.document["published_version"] == 1
    listed = (await alice.later("images")).output
    assert "published" in listed


async def test_who_is_no_administrator_does_not_approve(alice: Desk) -> None:
    result = await alice.later("publish", GIS, "--approve")
    assert (result.code, "Only an administrator" in result.errors) == (3, True)
    await alice.later("publish", GIS)
    assert (await alice.later("publish", GIS, "--approve")).code == 3


async def test_others_see_neither_images_nor_jobs(world: World, alice: Desk) -> None:
    bob = real_desk(world, world.hub.add_user("bob", READ, WRITE), "bob")
    assert (await bob.later("images", "-q")).output == ""
    assert (await bob.later("versions", GIS)).code == 4
    [job, _] = (await alice.later("jobs", "--json")).document["items"]
    assert (await bob.later("jobs", "--follow", job["id"])).code == 4
    assert (await bob.later("jobs", "--json")).document == {"items": []}
    own = await alice.later("jobs", "--all", "--json")
    assert len(own.document["items"]) == 2


async def test_administrators_see_everybodys_jobs(alice: Desk, admin: Desk) -> None:
    assert len((await admin.later("jobs", "--json")).document["items"]) == 0
    assert len((await admin.later("jobs", "--all", "--json")).document["items"]) == 2


async def test_a_token_that_is_none_is_not_logged_in(world: World) -> None:
    result = await real_desk(world, "wrong-token").later("images")
    assert (result.code, "not logged in" in result.errors) == (3, True)


async def test_a_reading_token_does_not_save(world: World) -> None:
    world.alice()
    reader = real_desk(world, world.hub.add_user("alice", READ))
    assert (await reader.later("images")).code == 0
    result = await reader.later("save", "GIS course")
    assert (result.code, "custom:desktops:save" in result.errors) == (3, True)
