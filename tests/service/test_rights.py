"""Who may do what: every operation of the contract with every kind of caller.

The table says the status, and for a list how many things are in it. An operation without a
row fails a test, and so does a row without an operation.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from hub_service.models import Person, Picture, Server
from hub_service.openapi import Contract
from hub_service.rules.quota import Quota
from tests.fakes.hub import ACCESS, ADMIN, READ, SAVE, WRITE
from tests.service.conftest import World, save_of
from tests.service.test_database import version

# nobody: no token; other: a user who has nothing to do with the image; shared: one it is shared
# with; reader: the owner's token with the scope to read alone; session: the token inside the
# owner's running desktop; admin: custom:desktops:admin alone;
# spawner, prometheus, robot: tokens of services of the hub with custom:desktops:profiles, :metrics
# and :publish. Here alice is who owns what pipelines publish.
TABLE = """
                          nobody other shared owner reader session admin spawner prometheus robot
listImages                401    200/0 200/1  200/2 200/2  200/2   200/2 403     403       403
getImage                  401    404   200    200   200    200     200   403     403       403
changeImage               401    404   403    200   403    403     200   403     403       403
deleteImage               401    404   403    200   403    403     200   403     403       403
listVersions              401    404   200/1  200/2 200/2  200/2   200/2 403     403       403
publishVersion            401    403   403    403   403    403     200   403     403        200
getVersion                401    404   404    200   200    200     200   403     403       403
deleteVersion             401    404   403    200   403    403     200   403     403       403
getPicture                401    404   404    200   200    200     200   403     403       403
getScan                   401    404   404    200   200    200     200   403     403       403
getSbom                   401    404   404    200   200    200     200   403     403       403
getPublication            401    403   403    403   403    403     200   403     403        200
compareVersions           401    404   404    200   200    200     200   403     403       403
askToPublish              401    404   403    201   403    403     201   403     403       403
previewCommit             401    403   403    200   403    200     403   403     403       403
startCommit               401    403   403    202   403    202     403   403     403       403
startBuild                401    202   202    202   403    403     202   403     403       403
previewBuild              401    200   200    200   200    200     200   403     403       403
sendContext               401    201   201    201   403    403     201   403     403       403
listJobs                  401    200/0 200/0  200/1 200/1  200/1   200/1 403     403       403
getJob                    401    404   404    200   200    200     200   403     403       403
cancelJob                 401    404   404    202   403    202     202   403     403       403
followJob                 401    404   404    200   200    200     200   403     403       403
readLog                   401    404   404    200   200    200     200   403     403       403
listPublicationRequests   401    200/0 200/0  200/1 200/1  200/1   200/1 403     403       403
decidePublicationRequest  401    403   403    403   403    403     200   403     403       403
listAudit                 401    403   403    403   403    403     200/7 403     403       403
listCleanups              401    403   403    403   403    403     200/0 403     403       403
startCleanup              401    403   403    403   403    403     202   403     403       403
arrangeSpawnPage          401    403   403    403   403    403     200/1 403     403       403
getQuota                  401    200   200    200   200    200     200   403     403       403
listQuotas                401    403   403    403   403    403     200/1 403     403       403
setQuota                  401    403   403    403   403    403     200   403     403       403
removeQuota               401    403   403    403   403    403     200   403     403       403
listRetentionPlans        401    403   403    403   403    403     200/1 403     403       403
planRetention             401    403   403    403   403    403     201/0 403     403       403
getRetentionPlan          401    403   403    403   403    403     200/0 403     403       403
runRetention              401    403   403    403   403    403     200/0 403     403       403
listProfiles              401    403   403    403   403    403     403   200/2   403       403
reportStart               401    403   403    403   403    403     403   201     403       403
health                    200    200   200    200   200    200     200   200     200       200
metrics                   401    403   403    403   403    403     200   403     200       403
contract                  200    200   200    200   200    200     200   200     200       200
"""
HEAD, *LINES = [line.split() for line in TABLE.strip().splitlines()]
ROWS = {line[0]: dict(zip(HEAD, line[1:], strict=True)) for line in LINES}

METRICS = "custom:desktops:metrics"
PUBLISH = "custom:desktops:publish"
PUSHED = "localhost:30500/pipeline/gis:1"
JOB = "0123456789abcdef" * 2
DOCKERFILE = "FROM remote-desktop\nRUN true\n"
BODIES: dict[str, dict[str, Any] | bytes] = {
    "changeImage": {"title": "another title"},
    "askToPublish": {"version": 1},
    "publishVersion": {"reference": PUSHED},
    "previewCommit": {"server": {"user": "alice"}},
    "startCommit": save_of("alice"),
    "startBuild": {"image": "With R", "dockerfile": DOCKERFILE},
    "previewBuild": {"dockerfile": DOCKERFILE},
    "sendContext": b"an archive",
    "decidePublicationRequest": {"state": "approved"},
    "arrangeSpawnPage": {"items": [{"owner": "alice", "name": "gis"}]},
    "setQuota": {"bytes": 10**9},
    "planRetention": {"days": 3650},
    "reportStart": {"image": {"owner": "alice", "name": "gis"}, "version": 2},
}
QUERIES = {
    "listProfiles": {"user": "alice"},
    "listJobs": {"all": "true"},
    "compareVersions": {"from": "1", "to": "2"},
}
OPERATIONS = {
    operation["operationId"]: (verb.upper(), path, operation)
    for path, verbs in Contract().document["paths"].items()
    for verb, operation in verbs.items()
}


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running; pipelines publish images of alice."""
    neighbours.settings = {
        "publish_owner": "alice",
        "publish_registries": ["localhost:30500"],
    }
    async with neighbours.serving():
        yield neighbours


def together() -> list[tuple[str, tuple[str, ...]]]:
    """Return who asks in one world: whoever changes something has one alone."""
    groups: list[tuple[str, tuple[str, ...]]] = []
    for name, row in ROWS.items():
        verb = OPERATIONS.get(name, ("GET",))[0]
        alone = [role for role in HEAD if verb != "GET" and row[role].startswith("2")]
        groups += [(name, (role,)) for role in alone]
        groups.append((name, tuple(role for role in HEAD if role not in alone)))
    return groups


TOGETHER = together()


def add_things(world: World) -> None:
    """Two images of alice, one shared with bob and one proposed for everybody; one job.

    A quota of a group, and a dry run of the retention rule that shows nothing.
    """
    assert world.services
    services = world.services
    for name, number in (("gis", 1), ("gis", 2), ("draft", 1)):
        services.catalogue.add_version("alice", name, name, version(number))
    services.catalogue.change(
        "alice", "alice", "gis", visibility="shared", shared_users={"bob"}
    )
    services.publishing.ask(Person("alice"), "alice", "draft", 1, "please")
    services.quotas.store.put("root", Quota("group", "gis", 10**10, None))
    services.retention_plans.add("root", 365, [])
    picture = Picture("image/webp", b"RIFF")
    services.pictures.keep(version(1).digest, picture)
    services.scan_reports.keep(version(1).digest, [], b"packed")
    world.registry.add_image("pipeline/gis", "1")
    services.jobs.add(
        kind="commit",
        id=JOB,
        owner="alice",
        server=Server("alice"),
        image="gis",
        title="gis",
        number=2,
        request={},
    )
    services.jobs.update(JOB, state="succeeded", ended=datetime.now(UTC))


def callers(world: World) -> dict[str, httpx.AsyncClient]:
    """A client for each role; alice has a running desktop."""
    hub = world.hub
    alice = world.alice()
    hub.tokens["reading"] = {**hub.tokens["token-of-alice"], "scopes": [ACCESS, READ]}
    scopes = [ACCESS, READ, f"{SAVE}!server=alice/"]
    hub.tokens["session"] = {**hub.tokens["token-of-alice"], "scopes": scopes}
    services = {"spawner": "profiles", "prometheus": "metrics", "robot": "publish"}
    for role, scope in services.items():
        scopes = [ACCESS, f"custom:desktops:{scope}"]
        hub.tokens[role] = {"kind": "service", "name": role, "scopes": scopes}
    return {
        "nobody": world.client(),
        "other": world.client(hub.add_user("eve", READ, WRITE)),
        "shared": world.client(hub.add_user("bob", READ, WRITE)),
        "owner": alice,
        "reader": world.client("reading"),
        "session": world.client("session"),
        "admin": world.client(hub.add_user("root", ADMIN)),
        "spawner": world.client("spawner"),
        "prometheus": world.client("prometheus"),
        "robot": world.client("robot"),
    }


async def ask(client: httpx.AsyncClient, name: str) -> str:
    """Do an operation; return what the table says of it: the status, and how many."""
    verb, path, operation = OPERATIONS[name]
    id = JOB if path.startswith("/jobs") else "1"
    path = path.format(owner="alice", name="gis", number=1, id=id, kind="group")
    body = BODIES.get(name, b"")
    reply = await client.request(
        verb,
        path,
        content=body if isinstance(body, bytes) else json.dumps(body),
        params=QUERIES.get(name),
    )
    if not reply.is_success:
        code = reply.json()["error"]["code"]
        assert (code == "not_logged_in") == (reply.status_code == 401)
        return str(reply.status_code)
    assert str(reply.status_code) in operation["responses"]
    kind = reply.headers["Content-Type"].partition(";")[0]
    items = reply.json().get("items") if kind == "application/json" else None
    return f"{reply.status_code}" + ("" if items is None else f"/{len(items)}")


def test_every_operation_has_its_row() -> None:
    assert list(ROWS) == sorted(ROWS, key=list(OPERATIONS).index)
    assert set(ROWS) == set(OPERATIONS)


def test_every_operation_that_takes_a_body_gets_one() -> None:
    bodies = {name for name, (*_, one) in OPERATIONS.items() if "requestBody" in one}
    assert bodies == set(BODIES)


def test_the_table_agrees_with_the_scopes_of_the_contract() -> None:
    """Who holds no scope gets 403 at most; what needs no login answers everybody."""
    held = {"spawner": "custom:desktops:profiles", "prometheus": METRICS}
    held["robot"] = PUBLISH
    for name, (*_, operation) in OPERATIONS.items():
        row = ROWS[name]
        if "security" not in operation:
            assert set(row.values()) == {"200"}
            continue
        [scope] = operation["security"][0]["hub"]
        assert row["nobody"] == "401"
        assert (row["reader"] == "403") == (scope != READ), name
        for role, own in held.items():
            assert (row[role] == "403") == (scope != own), name


@pytest.mark.parametrize(("operation", "roles"), TOGETHER)
async def test_who_may_do_what(
    world: World, operation: str, roles: tuple[str, ...]
) -> None:
    clients = callers(world)
    add_things(world)
    answers = {role: await ask(clients[role], operation) for role in roles}
    assert answers == {role: ROWS[operation][role] for role in roles}


def test_every_cell_of_the_table_is_tried() -> None:
    tried = sorted((operation, role) for operation, roles in TOGETHER for role in roles)
    assert tried == sorted((operation, role) for operation in ROWS for role in HEAD)


async def test_a_program_in_a_desktop_saves_that_desktop_only(world: World) -> None:
    session = callers(world)["session"]
    world.hub.add_server("alice", "other")
    world.cluster.add_session("alice", "other")
    add_things(world)
    other = {"user": "alice", "name": "other"}
    for path in ("/commits", "/commits/preview"):
        body = {**save_of("alice"), "server": other}
        if path.endswith("preview"):
            body = {"server": other}
        reply = await session.post(path, json=body)
        assert reply.status_code == 403, reply.text
        assert reply.json()["error"]["code"] == "not_this_server"


async def test_a_program_in_a_desktop_cancels_no_other_save(world: World) -> None:
    clients = callers(world)
    world.hub.add_server("alice", "other")
    world.cluster.add_session("alice", "other")
    world.agent.script = ["hang"]
    body = {**save_of("alice"), "server": {"user": "alice", "name": "other"}}
    id = (await clients["owner"].post("/commits", json=body)).json()["id"]
    reply = await clients["session"].delete(f"/jobs/{id}")
    assert reply.json()["error"]["code"] == "not_this_server"
    assert (await clients["owner"].delete(f"/jobs/{id}")).status_code == 202
