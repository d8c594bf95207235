"""What no program of ours sends: each gets an answer in the API's form, and none is a defect."""

import json

import pytest

from tests.service.conftest import World
from tests.service.databases import postgresql

IMAGE = "/images/alice/gis-course"
LONE_SURROGATE = '"\\ud800"'


@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/nothing", "/jobs/x", "/images/a/b/versions/x", ""])
async def test_an_address_that_is_none(world: World, verb: str, path: str) -> None:
    for client in (world.alice(), world.client()):
        reply = await client.request(verb, path)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


async def test_a_verb_that_is_none_says_which_there_are(world: World) -> None:
    reply = await world.alice().post(IMAGE)
    assert (reply.status_code, reply.json()["error"]["code"]) == (405, "bad_method")
    assert set(reply.headers["Allow"].split(", ")) == {"GET", "PATCH", "DELETE"}
    events = await world.alice().delete(f"/jobs/{'0' * 32}/events")
    assert (events.status_code, events.headers["Allow"]) == (405, "GET")


async def test_verbs_that_nobody_knows_are_one_figure(world: World) -> None:
    for verb in ("BREW", "PROPFIND", "X" * 50):
        assert (await world.alice().request(verb, IMAGE)).status_code == 405
    token = world.hub.add_user("prometheus", "custom:desktops:metrics")
    figures = (await world.client(token).get("/metrics")).text
    assert 'method="other",status="405"} 3' in figures
    assert "BREW" not in figures


@pytest.mark.parametrize("cursor", ["²", "٣", "9" * 30, "-1", "x", "1.5", "0"])
async def test_a_cursor_that_is_none(world: World, cursor: str) -> None:
    client = world.client(world.hub.add_user("root", "custom:desktops:admin"))
    for path in ("/images", "/audit"):
        reply = await client.get(path, params={"cursor": cursor})
        assert (reply.status_code, reply.json()["items"]) == (200, [])


@pytest.mark.parametrize(
    "body",
    [
        '{"description": "a\\u0000b"}',
        f'{{"description": {LONE_SURROGATE}}}',
        f'{{"shared_with": {{"users": ["bob", {LONE_SURROGATE}]}}}}',
        f"{{{LONE_SURROGATE}: 1}}",
        '{"title": "x", "description": ' + "[" * 100_000,
        '{"active_version": 1' + "0" * 5000 + "}",
        '{"active_version": 1e999}',
        '{"active_version": NaN}',
    ],
    ids=range(8),
)
async def test_text_that_no_database_keeps(world: World, body: str) -> None:
    alice = world.alice()
    await world.saved(alice)
    reply = await alice.patch(IMAGE, content=body)
    assert reply.status_code == 422, reply.text
    assert reply.json()["error"]["code"] in ("invalid_json", "invalid_request")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/images/%ff/x", 400, "bad_request"),
        ("/images/alice/%00", 404, "not_found"),
        ("/images/%00/x", 404, "not_found"),
        ("/images?q=%00", 200, None),
        ("/images?q=%ff", 400, "bad_request"),
        ("/images?owner=%00&cursor=%00", 200, None),
    ],
)
async def test_addresses_that_are_no_text(
    world: World, path: str, status: int, code: str | None
) -> None:
    reply = await world.alice().get(path)
    assert reply.status_code == status, reply.text
    assert reply.json().get("error", {}).get("code") == code


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "no_base"),
        ("# nothing", "no_base"),
        ("FROM remote-desktop\nCOPY --from=² /a /b", "base_forbidden"),
    ],
)
async def test_a_dockerfile_that_is_hardly_one(
    world: World, text: str, rule: str
) -> None:
    reply = await world.alice().post("/builds/preview", json={"dockerfile": text})
    assert [one["rule"] for one in reply.json()["problems"]] == [rule]


async def test_bytes_for_a_verb_that_takes_none(world: World) -> None:
    reply = await world.alice().put("/contexts", content=b"bytes" * 100_000)
    assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("last", ["9" * 30, "9" * 5000, "²", "-1", "x"])
async def test_a_stream_is_resumed_from_an_id_that_is_none(
    world: World, last: str
) -> None:
    alice = world.alice()
    job = await world.saved(alice)
    reply = await alice.get(
        f"/jobs/{job['id']}/events", headers=[(b"Last-Event-ID", last.encode())]
    )
    assert reply.text.endswith("event: end\ndata: {}\n\n")


async def test_a_real_database_takes_what_the_service_lets_through(
    neighbours: World,
) -> None:
    with postgresql() as url:
        neighbours.database = url
        async with neighbours.serving():
            alice = neighbours.alice()
            await neighbours.saved(alice)
            changes = {"description": "\U0001f600 \x01 \u202e", "active_version": 1.0}
            reply = await alice.patch(IMAGE, content=json.dumps(changes))
            assert reply.status_code == 200, reply.text
            for path in (
                "/images/%00/x",
                "/images?q=%00",
                "/images?cursor=" + "9" * 19,
            ):
                assert (await alice.get(path)).status_code < 500
