"""Building an image, through the API: the good end, and everything that can come between."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from hub_service.building.pod import lock_name
from oci.manifest import OCI_MANIFEST
from tests.fakes.hub import READ, WRITE
from tests.fakes.kubernetes_jobs import Build
from tests.service.conftest import BASE, World

DOCKERFILE = "FROM remote-desktop\nRUN true\n"


async def wait_for(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds; return its value."""
    for _ in range(1000):
        try:
            if value := condition():
                return value
        except (KeyError, StopIteration):
            pass
        await asyncio.sleep(0.02)
    raise AssertionError("did not come to pass")


async def begun(client: httpx.AsyncClient, world: World, **fields: Any) -> Build:
    """Begin a build and return its Job."""
    body = {"image": "With R", "dockerfile": DOCKERFILE, **fields}
    reply = await client.post("/builds", json=body)
    assert reply.status_code == 202, reply.text
    id = reply.json()["id"]
    build: Build = await wait_for(lambda: world.cluster.workloads.of_job(id))
    return build


def result(world: World, build: Build, content: str = "1") -> dict[str, Any]:
    """Put an image into the registry as the last step does; return what that tells."""
    environment = build.environment("push")
    manifest = json.dumps({"schemaVersion": 2, "note": content}).encode()
    place = f"{world.registry.url}/v2/{environment['REPOSITORY']}/manifests/"
    sent = httpx.put(
        place + environment["TAG"],
        content=manifest,
        headers={"Content-Type": OCI_MANIFEST},
    )
    digest = sent.headers["Docker-Content-Digest"]
    base = {"name": BASE, "digest": f"sha256:{'b' * 64}"}
    return {
        "digest": digest,
        "base": base,
        "origin": base,
        "size": 1000,
        "new_bytes": 100,
        "layers": 3,
        "packages": {
            "added": [{"name": "sl", "version": "5", "kind": "apt"}],
            "removed": [],
            "upgraded": [],
        },
        "biggest": [],
        "entries": 4,
        "changed_bytes": 100,
    }


def job_of(build: Build) -> str:
    """Return the id of the job that a Job works for."""
    return build.labels["desktops.jupyter.org/job"]


async def test_a_build_becomes_the_active_version(world: World) -> None:
    client = world.alice()
    build = await begun(client, world, description="R and friends")
    steps = [{"name": "[1/1] RUN true", "state": "running", "seconds": 0.0}]
    build.tell("build", {"log": "#1 hello\n"}, {"steps": steps})
    id = job_of(build)
    await wait_for(lambda: world.services and world.services.logs.text(id))
    job = (await client.get(f"/jobs/{id}")).json()
    assert (job["kind"], job["step"], job["message"]) == ("build", "build", "Building…")
    assert steps[0] in job["steps"]
    assert 0 < job["share"] < 0.1
    build.tell("push", {"result": result(world, build)})
    job = await world.ended(client, id)
    assert (job["message"], job["share"]) == ("Built With R, version 1.", 1)
    version = (await client.get("/images/alice/with-r")).json()["active_version"]
    assert (version["number"], version["note"]) == (1, "R and friends")
    assert version["base"]["name"] == BASE
    assert version["details"]["dockerfile"] == DOCKERFILE
    assert version["details"]["packages"]["added"][0]["name"] == "sl"
    assert (await client.get(f"/jobs/{id}/log")).text == "#1 hello\n"
    await wait_for(lambda: not world.cluster.workloads.builds)


async def test_a_build_gets_what_it_needs_and_nothing_else(world: World) -> None:
    client = world.alice()
    build = await begun(client, world)
    names = [
        one["name"] for one in build.body["spec"]["template"]["spec"]["initContainers"]
    ]
    # No files were sent along, so nothing is fetched.
    assert names == ["guard", "build"]
    assert build.environment("build") == {}
    files = await wait_for(lambda: world.cluster.workloads.config_maps[build.name])
    assert files["data"]["Dockerfile"] == DOCKERFILE
    assert files["metadata"]["ownerReferences"][0]["uid"] == build.uid
    rules = json.loads(files["data"]["policy.json"])["rules"]
    assert rules[0]["action"] == "DENY"
    assert build.name in world.cluster.workloads.claims


async def test_a_form_makes_the_dockerfile(world: World) -> None:
    client = world.alice()
    form = {"base": "remote-desktop", "apt": ["sl"], "pip": ["numpy>=2"], "r": ["sf"]}
    reply = await client.post("/builds", json={"image": "R", "form": form})
    id = reply.json()["id"]
    build: Build = await wait_for(lambda: world.cluster.workloads.of_job(id))
    # The Job is there a moment before its files.
    files = await wait_for(lambda: world.cluster.workloads.config_maps[build.name])
    text = files["data"]["Dockerfile"]
    assert text.startswith("FROM remote-desktop\n")
    for word in ("r-cran-sf", "sl", '"numpy>=2"'):
        assert word in text


async def test_a_refused_dockerfile_names_line_and_rule(world: World) -> None:
    client = world.alice(**{"Accept-Language": "fr"})
    body = {"image": "x", "dockerfile": "FROM remote-desktop\nCOPY --from=alpine / /\n"}
    reply = await client.post("/builds", json=body)
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert error["code"] == "dockerfile_refused"
    [problem] = error["details"]["problems"]
    assert (problem["line"], problem["rule"]) == (2, "base_forbidden")
    assert problem["message"].startswith("alpine n’")
    assert error["message"].startswith("Ligne 2")
    assert world.cluster.workloads.builds == {}


async def test_files_go_along_and_away_again(world: World) -> None:
    client = world.alice()
    sent = await client.post("/contexts", content=b"a tar")
    assert sent.status_code == 201
    assert sent.json()["bytes"] == 5
    build = await begun(client, world, context=sent.json()["id"])
    environment = build.environment("fetch")
    repository = environment["CONTEXT_REPOSITORY"]
    held = world.registry.blobs[repository][environment["CONTEXT_DIGEST"]]
    assert held == b"a tar"
    build.tell("push", {"result": result(world, build)})
    await world.ended(client, job_of(build))
    await wait_for(lambda: not world.registry.tags.get(repository))


async def test_only_the_last_few_files_wait_for_a_build(world: World) -> None:
    client = world.alice()
    sent = [
        (await client.post("/contexts", content=f"tar {number}".encode())).json()["id"]
        for number in range(8)
    ]
    kept = next(tags for name, tags in world.registry.tags.items() if "alice" in name)
    assert len(kept) == 5 and sent[-1] in kept
    body = {"image": "x", "dockerfile": DOCKERFILE, "context": sent[-1]}
    assert (await client.post("/builds", json=body)).status_code == 202


async def test_nobody_builds_with_the_files_of_somebody_else(world: World) -> None:
    sent = await world.alice().post("/contexts", content=b"mine")
    bob = world.client(world.hub.add_user("bob", READ, WRITE))
    body = {"image": "x", "dockerfile": DOCKERFILE, "context": sent.json()["id"]}
    reply = await bob.post("/builds", json=body)
    assert reply.json()["error"]["code"] == "context_not_found"


async def test_too_many_bytes_are_refused_before_they_are_sent(world: World) -> None:
    world.alice()
    reader, writer = await asyncio.open_connection(*world.url[7:].split(":"))
    writer.write(
        b"POST /services/desktops/api/v1/contexts HTTP/1.1\r\nHost: x\r\n"
        b"Authorization: Bearer token-of-alice\r\nContent-Length: 100000001\r\n\r\n"
    )
    answer = await asyncio.wait_for(reader.readuntil(b"}}"), 10)
    writer.close()
    assert b" 422 " in answer and b"context_too_large" in answer


async def test_builds_of_a_person_wait_for_one_another(world: World) -> None:
    client = world.alice()
    first = await begun(client, world)
    reply = await client.post("/builds", json={"image": "B", "dockerfile": DOCKERFILE})
    id = reply.json()["id"]
    await asyncio.sleep(0.1)
    waiting = (await client.get(f"/jobs/{id}")).json()
    assert waiting["state"] == "queued"
    assert waiting["message"] == "Waiting: number 1 in the queue."
    first.tell("push", {"result": result(world, first)})
    second: Build = await wait_for(lambda: world.cluster.workloads.of_job(id))
    assert second.name == first.name


async def test_so_many_run_at_once_and_so_many_of_one_person_wait(world: World) -> None:
    people = [
        world.client(world.hub.add_user(name, READ, WRITE)) for name in ("a", "b", "c")
    ]
    body = {"image": "X", "dockerfile": DOCKERFILE}
    ids = [(await one.post("/builds", json=body)).json()["id"] for one in people]
    await wait_for(lambda: len(world.cluster.workloads.builds) == 2)
    await asyncio.sleep(0.1)
    states = [
        (await client.get(f"/jobs/{id}")).json()["state"]
        for client, id in zip(people, ids, strict=True)
    ]
    assert states == ["running", "running", "queued"]
    replies = [await people[0].post("/builds", json=body) for _ in range(7)]
    assert replies[-1].json()["error"]["code"] == "too_many_builds"


async def test_so_many_of_all_people_wait(world: World) -> None:
    assert world.services
    settings = replace(world.services.builds.settings, waiting_in_all=2)
    world.services.builds.settings = settings
    people = [world.client(world.hub.add_user(f"p{n}", READ, WRITE)) for n in range(5)]
    body = {"image": "X", "dockerfile": DOCKERFILE}
    for one in people[:4]:
        assert (await one.post("/builds", json=body)).status_code == 202
        await asyncio.sleep(0.1)
    reply = await people[4].post("/builds", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "builds_busy")


async def test_cancelling_removes_the_job(world: World) -> None:
    client = world.alice()
    build = await begun(client, world)
    build.tell("build", {"log": "x\n"})
    await client.delete(f"/jobs/{job_of(build)}")
    job = await world.ended(client, job_of(build))
    assert (job["state"], job["message"]) == (
        "cancelled",
        "Cancelled. Nothing was built.",
    )
    assert world.cluster.workloads.builds == {}
    assert (await client.get("/images")).json()["items"] == []


async def test_a_restart_loses_neither_the_build_nor_its_log(
    neighbours: World,
) -> None:
    world = neighbours
    async with world.serving():
        build = await begun(world.alice(), world)
        build.tell("build", {"log": "one\n"})
        id = job_of(build)
        await wait_for(lambda: world.services and world.services.logs.text(id))
    build.tell("build", {"log": "two\n"})
    async with world.serving():
        client = world.client("token-of-alice")
        build.tell("push", {"result": result(world, build)})
        job = await world.ended(client, id)
        assert job["state"] == "succeeded"
        assert (await client.get(f"/jobs/{id}/log")).text == "one\ntwo\n"


@pytest.mark.parametrize(
    ("told", "reason", "code"),
    [
        (
            {
                "error": {
                    "code": "build_failed",
                    "message": "exit 1",
                    "details": {"step": "[2/2] RUN"},
                }
            },
            "",
            "build_failed",
        ),
        (
            {"error": {"code": "source_denied", "message": "no", "details": {}}},
            "",
            "source_denied",
        ),
        ({"log": "x\n"}, "OOMKilled", "build_memory"),
        ({"log": "x\n"}, "DeadlineExceeded", "build_too_long"),
        ("Traceback: a step broke", "", "build_failed"),
    ],
)
async def test_a_failure_says_why(
    world: World, told: object, reason: str, code: str
) -> None:
    client = world.alice()
    build = await begun(client, world)
    build.tell("build", told)
    build.end("build", failed=True, reason=reason)
    job = await world.ended(client, job_of(build))
    assert (job["state"], job["error"]["code"]) == ("failed", code)
    assert job["message"] and "{" not in job["message"]
    assert (await client.get("/images")).json()["items"] == []
    await wait_for(lambda: not world.cluster.workloads.builds)


async def test_an_image_on_another_base_is_no_version(world: World) -> None:
    client = world.alice()
    build = await begun(client, world)
    told = result(world, build)
    build.tell(
        "push", {"result": {**told, "base": {"name": "evil.org/x:1", "digest": ""}}}
    )
    job = await world.ended(client, job_of(build))
    assert job["error"]["code"] == "source_denied"
    repository = build.environment("push")["REPOSITORY"]
    await wait_for(lambda: not world.registry.tags.get(repository))


async def test_the_log_comes_as_events_from_where_the_client_has_it(
    world: World,
) -> None:
    client = world.alice()
    build = await begun(client, world)
    build.tell("build", {"log": "0123456789\n"})
    id = job_of(build)
    await wait_for(lambda: world.services and world.services.logs.text(id))
    build.tell("push", {"result": result(world, build)})
    await world.ended(client, id)
    text = (await client.get(f"/jobs/{id}/events", headers={"Last-Event-ID": "4"})).text
    assert 'id: 11\nevent: log\ndata: {"offset": 4, "text": "456789\\n"}' in text
    assert "event: end" in text


async def test_a_build_does_not_keep_a_desktop_from_being_saved(world: World) -> None:
    client = world.alice()
    await begun(client, world)
    assert (await world.saved(client))["state"] == "succeeded"


def test_nobody_shares_the_lock_of_somebody_else() -> None:
    long = "a" * 60
    names = ["alice", "Alice", long, long[:-1] + "b", "é" * 60, ""]
    locks = [lock_name(name) for name in names]
    assert len(set(locks)) == len(names)
    assert all(len(lock) <= 57 for lock in locks)
