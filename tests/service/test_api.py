"""Every verb of the contract: who may use it, and that its answers fit the contract."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hub_service.handlers import default_handlers
from hub_service.handlers.base import verbs_of
from hub_service.openapi import Contract
from tests.fakes.hub import ADMIN, READ, SAVE, WRITE
from tests.service.conftest import World, save_of

CONTRACT = Contract()
VERBS = [
    (verb, path, operation)
    for path, operations in CONTRACT.document["paths"].items()
    for verb, operation in operations.items()
]
SCOPED = [(verb, path, one) for verb, path, one in VERBS if "security" in one]


def filled(path: str) -> str:
    id = "0" * 32 if path.startswith("/jobs") else "1"
    values = {"owner": "alice", "name": "gis-course", "number": "1", "id": id}
    values["kind"] = "group"
    return path.format_map(values)


def test_every_handler_is_in_the_contract() -> None:
    shown = {
        (verb.lower(), re.sub(r"\([^)]*\)", "{}", path))
        for path, handler in default_handlers
        if path.startswith("api/v1/")
        for verb in verbs_of(handler)
    }
    described = {
        (verb, re.sub(r"{\w+}", "{}", f"api/v1{path}")) for verb, path, _ in VERBS
    }
    assert shown == described


@pytest.mark.parametrize(("verb", "path", "operation"), SCOPED)
async def test_each_verb_needs_its_scope(
    world: World, verb: str, path: str, operation: dict[str, Any]
) -> None:
    [scope] = operation["security"][0]["hub"]
    nobody = await world.client().request(verb.upper(), filled(path))
    assert nobody.status_code == 401
    assert nobody.json()["error"]["code"] == "not_logged_in"
    others = {READ, WRITE, "custom:desktops:profiles"} - {scope}
    if scope == SAVE:
        # Who may write may save.
        others.remove(WRITE)
    without = world.client(world.hub.add_user("eve", *others))
    reply = await without.request(verb.upper(), filled(path))
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "scope_missing")
    holder = world.client(world.hub.add_user("mallory", scope))
    reply = await holder.request(verb.upper(), filled(path))
    assert reply.status_code not in (401, 403)


async def test_a_user_without_access_to_the_service_is_refused(world: World) -> None:
    token = world.hub.add_user("eve", READ, WRITE)
    world.hub.tokens[token]["scopes"].remove("access:services!service=desktops")
    assert (await world.client(token).get("/images")).status_code == 403


async def test_the_answers_fit_the_contract(world: World) -> None:
    alice = world.alice()
    admin = world.client(world.hub.add_user("root", ADMIN, "custom:desktops:profiles"))
    job = await world.saved(alice)
    image = "/images/alice/gis-course"
    server = {"server": {"user": "alice"}}
    await world.saved(alice)
    answers = {
        "Images": await alice.get("/images"),
        "Image": await alice.get(image),
        "Versions": await alice.get(f"{image}/versions"),
        "Version": await alice.get(f"{image}/versions/1"),
        "Preview": await alice.post("/commits/preview", json=server),
        "Job": await alice.get(f"/jobs/{job['id']}"),
        "Jobs": await admin.get("/jobs", params={"all": "true"}),
        "Profiles": await admin.get("/profiles", params={"user": "alice"}),
        "Health": await world.client().get("/healthz"),
        "Error": await alice.get("/images/bob/none"),
        "PublicationRequest": await alice.post(
            f"{image}/publication-requests", json={}
        ),
        "PublicationRequests": await admin.get("/publication-requests"),
        "Audit": await admin.get("/audit"),
        "Freed": await alice.delete(f"{image}/versions/1"),
    }
    for name, reply in answers.items():
        Draft202012Validator(CONTRACT.schema(name)).validate(reply.json())
    assert len(answers["Jobs"].json()["items"]) == 2
    [profile] = answers["Profiles"].json()["items"]
    assert profile["reference"].startswith(
        "localhost:30500/desktops/alice/gis-course@sha256:"
    )


async def test_the_contract_and_the_figures_are_served(world: World) -> None:
    assert (await world.client().get("/openapi.json")).json() == CONTRACT.document
    token = world.hub.add_user("prometheus", "custom:desktops:metrics")
    await world.saved(world.alice())
    text = (await world.client(token).get("/metrics")).text
    assert (
        'desktops_jobs_ended_total{code="",kind="commit",state="succeeded"} 1.0' in text
    )
    assert "desktops_images 1.0" in text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"server": 1}', b"\xff"])
async def test_a_body_that_is_none_is_refused(world: World, body: bytes) -> None:
    reply = await world.alice().post("/commits", content=body)
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] in ("invalid_request", "invalid_json")


async def test_unknown_fields_are_refused_by_name(world: World) -> None:
    body = save_of("alice", container_id="abc")
    reply = await world.alice().post("/commits", json=body)
    assert reply.status_code == 422
    assert "container_id" in reply.json()["error"]["message"]
