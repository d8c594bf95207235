"""What the catalogue has forgotten leaves the registry, and nothing else does."""

from tests.service.conftest import World, save_of

REPOSITORY = "desktops/alice/gis-course"


async def forgotten(world: World) -> str:
    """Save a version, make another one active, delete the first; return its digest."""
    alice = world.alice()
    await world.saved(alice)
    [digest] = world.registry.manifests[REPOSITORY]
    await world.saved(alice)
    reply = await alice.delete("/images/alice/gis-course/versions/1")
    assert reply.status_code == 200
    return digest


async def test_a_version_leaves_the_registry_alone(world: World) -> None:
    digest = await forgotten(world)
    await world.until(lambda: digest not in world.registry.manifests[REPOSITORY])
    assert len(world.registry.manifests[REPOSITORY]) == 1


async def test_it_waits_for_a_save_that_may_name_it_again(world: World) -> None:
    assert world.services
    alice = world.alice()
    world.agent.script = ["succeed", "succeed", "hang"]
    await world.saved(alice)
    [digest] = world.registry.manifests[REPOSITORY]
    await world.saved(alice)
    catalogue, deletions = world.services.catalogue, world.services.deletions
    job = (await alice.post("/commits", json=save_of("alice"))).json()["id"]
    # As if it had been deleted in the moment before the save began.
    catalogue.remove_version("alice", "alice", "gis-course", 1)
    await deletions.carry_out()
    assert digest in world.registry.manifests[REPOSITORY]
    await alice.delete(f"/jobs/{job}")
    await world.ended(alice, job)
    await world.until(lambda: not world.services or not world.services.jobs.open())
    await deletions.carry_out()
    assert digest not in world.registry.manifests[REPOSITORY]


async def test_one_that_cannot_be_deleted_holds_up_nobody(world: World) -> None:
    assert world.services
    digest = await forgotten(world)
    world.services.discards.add("alice", "gis-course", "no digest at all")
    world.services.discards.add("alice", "gis-course", digest)
    await world.services.deletions.carry_out()
    assert digest not in world.registry.manifests[REPOSITORY]
    assert world.services.deletions.problem
    assert len(world.services.discards.waiting()) == 1


async def test_what_a_version_names_again_stays(world: World) -> None:
    assert world.services
    alice = world.alice()
    await world.saved(alice)
    [digest] = world.registry.manifests[REPOSITORY]
    catalogue, discards = world.services.catalogue, world.services.discards
    image = catalogue.image("alice", "gis-course")
    assert image
    catalogue.remove_image("alice", "alice", "gis-course")
    # A save in which nothing had changed ends with the same manifest.
    [version] = image.versions
    catalogue.add_version("alice", "gis-course", "GIS course", version)
    assert [one.digest for one in discards.waiting()] == [digest]
    await world.services.deletions.carry_out()
    assert digest in world.registry.manifests[REPOSITORY]
    assert discards.waiting() == []
