"""How much of a job is done: one figure that never goes back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hub_service.jobs.share import share_of
from hub_service.models import RUNNING, Job, Server


def job(**request: Any) -> Job:
    return Job(
        id="1",
        kind="build",
        state=RUNNING,
        owner="alice",
        server=Server("alice"),
        image="gis",
        title="GIS",
        number=1,
        request=request,
        progress={},
        error=None,
        result=None,
        attempts=1,
        silent_since=None,
        cancel=False,
        created=datetime.now(UTC),
        started=None,
        ended=None,
        settled=False,
    )


def step(name: str, state: str, done: int = 0, total: int | None = None) -> Any:
    return {"name": name, "state": state, "bytes_done": done, "bytes_total": total}


def build(base: Any, run: str, push: Any) -> list[Any]:
    return [step("fetch", "done"), base, step("[2/2] RUN x", run), push]


def course() -> Iterator[list[Any]]:
    """A build as it goes: layers of its base come to light one after the other."""
    name, waits = "[1/2] FROM base", step("push", "waiting")
    yield [step("fetch", "running"), waits]
    yield [step("fetch", "done"), waits]
    yield build(step(name, "running", 90, 100), "waiting", waits)
    yield build(step(name, "done", 100, 100), "waiting", waits)
    # Another layer begins.
    yield build(step(name, "running", 100, 1000), "waiting", waits)
    yield build(step(name, "done"), "running", waits)
    # A second stage is found.
    yield [*build(step(name, "done"), "done", waits), step("[b 1/1] COPY", "waiting")]
    yield build(step(name, "done"), "cached", step("push", "running", 1, 2))


@pytest.mark.parametrize("request_", [{}, {"start_test": True}])
def test_it_never_goes_back(request_: dict[str, Any]) -> None:
    one, seen = job(**request_), []
    for steps in course():
        seen.append(share_of(one, steps))
        one = replace(one, progress={"share": seen[-1]})
    assert seen == sorted(seen)
    assert 0 == seen[0] < seen[-1] < 1
    end = [step("fetch", "done"), step("push", "done")]
    assert (share_of(one, end) < 1) is bool(request_)
    assert share_of(one, [*end, step("test", "done")]) == 1


def test_a_save_is_weighed_by_its_bytes() -> None:
    names = ("plan", "read", "freeze", "push", "manifest")
    steps = [step(name, "waiting") for name in names]
    assert share_of(job(), steps) == 0
    steps[0] = step("plan", "done")
    steps[1] = step("read", "running", 206, 412)
    assert share_of(job(), steps) == pytest.approx(28 / 95, abs=0.001)
    assert share_of(job(), []) == 0
