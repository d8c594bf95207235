"""The messages between the halves: whatever comes is read, or refused in the one way foreseen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci.manifest import Descriptor
from oci.reference import Digest
from snapshot_agent import wire
from snapshot_agent.errors import AgentError, BadRequest, TooMuch
from snapshot_agent.wire import (
    BaseRecord,
    CaptureRequest,
    EarlierLayer,
    Event,
    LayerWritten,
    Malformed,
    Place,
    SpooledLayer,
    StepBegins,
    StepGoesOn,
    Taken,
)

DIGEST = Digest("sha256:" + "a" * 64)
TAKEN = Taken(
    earlier=(EarlierLayer(DIGEST, DIGEST, 5),),
    layers=(SpooledLayer("first.tar.zst", DIGEST, DIGEST, 7),),
    joined=0,
    content_bytes=1,
    frozen=0.1,
    changed_while_saved=["/a"],
    left_out=[],
    entries=3,
    packages={},
    biggest=[],
    peak_memory=5,
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("place", "pod_uid", "container", "container_id", "include_home", "exclude")
near = st.dictionaries(st.sampled_from([*NAMES, "id", "config", "digest"]), anything)


def sent(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(anything | near | st.fixed_dictionaries({"place": near}))
def test_whatever_api_asks(body: Any) -> None:
    for read in (wire.place, wire.look, wire.capture_request):
        with pytest.raises(BadRequest):
            read(body)


@given(anything | st.dictionaries(st.sampled_from(["begins", "taken", "failed"]), near))
def test_whatever_the_other_half_answers(line: Any) -> None:
    with pytest.raises((Malformed, AgentError)):
        wire.event(line)
    with pytest.raises(Malformed):
        wire.record(line)


def test_a_request_arrives_as_it_was() -> None:
    place = Place("uid", "notebook", "id")
    body = {
        "place": {"pod_uid": "uid", "container": "notebook", "container_id": "id"},
        "include_home": False,
        "exclude": ["/home/a"],
        "id": "one",
        "config": "{}",
        "earlier": [DIGEST],
        "room": 7,
    }
    wanted = CaptureRequest(place, False, ("/home/a",), "one", "{}", (DIGEST,), 7)
    assert wire.capture_request(sent(body)) == wanted


@pytest.mark.parametrize(
    "event",
    [StepBegins("read", None), StepGoesOn(7), LayerWritten(TAKEN.layers[0]), TAKEN],
)
def test_an_event_arrives_as_it_was(event: Event) -> None:
    assert wire.event(sent(wire.event_line(event))) == event


def test_a_failure_arrives_as_it_was() -> None:
    line = sent(wire.event_line(TooMuch("too much", most=1)))
    with pytest.raises(AgentError) as told:
        wire.event(line)
    assert told.value.to_dict() == TooMuch("too much", most=1).to_dict()
    assert told.value.status == 422


def test_a_record_arrives_as_it_was() -> None:
    target = Descriptor("application/json", DIGEST, 9)
    sources = (("docker.io", "library/debian"),)
    record = BaseRecord("debian", DIGEST, "sha256:parent", target, sources)
    assert wire.record(sent(record.to_dict())) == record


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content_bytes", "1"),
        ("entries", -1),
        ("peak_memory", True),
        ("joined", 1.5),
        ("frozen", "short"),
        ("frozen", float("nan")),
        ("changed_while_saved", ["x" * 30_000]),
        ("changed_while_saved", ["/a"] * 2000),
        ("left_out", [{"path": "/a", "bytes": 1}]),
        ("biggest", [{"path": "/a", "bytes": "many"}]),
        ("packages", []),
    ],
)
def test_what_a_capture_tells_is_believed_only_in_its_own_shape(
    field: str, value: Any
) -> None:
    line = sent(wire.event_line(TAKEN))
    line["taken"][field] = value
    with pytest.raises(Malformed):
        wire.event(line)


def test_what_nobody_asked_for_goes_no_further() -> None:
    line = sent(wire.event_line(TAKEN))
    one = {"path": "/a", "bytes": 1, "reason": "cache"}
    line["taken"] |= {"left_out": [one | {"html": "<script>"}], "more": 1}
    told = wire.event(line)
    assert isinstance(told, Taken) and told.left_out == [one]


@pytest.mark.parametrize("name", ["../first", "/etc/passwd", "", ".upload", "a/b"])
def test_a_layer_lies_in_the_folder_of_its_save(name: str) -> None:
    line = sent(wire.event_line(TAKEN))
    line["taken"]["layers"][0]["name"] = name
    written = {"written": {"layer": line["taken"]["layers"][0]}}
    for one in (line, written):
        with pytest.raises(Malformed):
            wire.event(one)
