"""Changes of packages put one after the other, turned around, and compared."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub_service.rules.lineage import begun, continued
from hub_service.rules.package_changes import Changes, joined, read, turned, written
from tests.service.test_database import version

STATE = st.dictionaries(
    st.tuples(st.sampled_from(["apt", "pip"]), st.sampled_from("abcde")),
    st.sampled_from("123"),
)


def way(before: dict[Any, str], after: dict[Any, str]) -> Changes:
    keys = before.keys() | after.keys()
    pairs = {key: (before.get(key), after.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


@given(STATE, STATE, STATE)
def test_two_ways_make_one(a: Any, b: Any, c: Any) -> None:
    assert joined(way(a, b), way(b, c)) == way(a, c)


@given(STATE, STATE, STATE)
def test_versions_with_a_common_root_are_compared(root: Any, a: Any, b: Any) -> None:
    assert joined(turned(way(root, a)), way(root, b)) == way(a, b)


@given(STATE, STATE)
def test_what_is_written_is_read_again(a: Any, b: Any) -> None:
    assert read(written(way(a, b))) == way(a, b)


def packages(**lists: list[dict[str, str]]) -> dict[str, Any]:
    return {"packages": {"added": [], "removed": [], "upgraded": [], **lists}}


def test_a_line_grows_with_each_save() -> None:
    cowsay = {"name": "cowsay", "version": "3", "kind": "apt"}
    first = version(1, details=packages(added=[cowsay]))
    second = version(
        2, base={"digest": first.digest}, details=packages(removed=[cowsay])
    )
    line = continued(second, begun(first))
    assert line.ancestors == (first.digest, "sha256:0")
    assert line.root == "sha256:0"
    assert line.packages == packages()["packages"]


def test_what_was_joined_is_below_no_longer() -> None:
    first = version(1, details={"new_layers": {"sha256:a": 1, "sha256:b": 2}})
    base = {"digest": first.digest}
    second = version(2, base=base, details={"new_layers": {"sha256:c": 3}})
    below = continued(second, begun(first))
    assert below.layers_below == {"sha256:a": 1, "sha256:b": 2}
    joined_layers = ["sha256:b", "sha256:c"]
    details = {"new_layers": {"sha256:j": 4}, "joined_layers": joined_layers}
    third = version(3, base={"digest": second.digest}, details=details)
    line = continued(third, below)
    assert line.layers_below == {"sha256:a": 1}
    assert line.new_layers == {"sha256:j": 4}


def test_an_unchanged_image_keeps_its_line() -> None:
    first = version(1, details=packages())
    again = version(2, digest=first.digest, base={"digest": first.digest})
    assert continued(again, begun(first)) == begun(first)


def test_what_nobody_reported_nobody_knows() -> None:
    first = version(1)
    second = version(2, base={"digest": first.digest}, details=packages())
    assert continued(second, begun(first)).packages is None
