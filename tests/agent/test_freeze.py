"""Who lets go of a frozen container, on a fake containerd."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshot_agent.capture.containerd import Containerd, NotFound, TaskState
from snapshot_agent.capture.freeze import Freezer
from tests.fakes.containerd import PAUSED, RUNNING, FakeContainer, FakeContainerd


@pytest.fixture
def fake() -> Iterator[FakeContainerd]:
    socket = tempfile.mktemp(prefix="fake-containerd-", suffix=".sock", dir="/tmp")
    with FakeContainerd(socket) as made:
        made.containers["c"] = FakeContainer("c", "image", {}, {}, {}, "", [])
        yield made


@pytest.fixture
def containerd(fake: FakeContainerd) -> Iterator[Containerd]:
    client = Containerd(fake.socket, timeout=5)
    yield client
    client.close()


@pytest.fixture
def freezer(containerd: Containerd, tmp_path: Path) -> Freezer:
    return Freezer(containerd, tmp_path, resume_for=2)


def test_a_block_freezes_and_thaws(
    fake: FakeContainerd, freezer: Freezer, tmp_path: Path
) -> None:
    with freezer.freeze("c", 10) as hold:
        assert hold.still
        assert fake.containers["c"].state == PAUSED
        assert [path.name for path in tmp_path.iterdir()] == ["c.freeze"]
    assert fake.containers["c"].state == RUNNING
    assert list(tmp_path.iterdir()) == []
    assert 0 < hold.seconds < 5


def test_a_block_that_fails_thaws(
    fake: FakeContainerd, freezer: Freezer, tmp_path: Path
) -> None:
    with pytest.raises(ZeroDivisionError), freezer.freeze("c", 10):
        raise ZeroDivisionError
    assert fake.containers["c"].state == RUNNING
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deadline", [0, 0.2])
def test_the_deadline_thaws(
    fake: FakeContainerd, freezer: Freezer, deadline: float
) -> None:
    with freezer.freeze("c", deadline) as hold:
        limit = time.monotonic() + 5
        while fake.containers["c"].state == PAUSED and time.monotonic() < limit:
            time.sleep(0.01)
        assert fake.containers["c"].state == RUNNING
        assert not hold.still
    assert fake.calls == [("pause", "c"), ("resume", "c")]


def test_what_somebody_else_paused_stays_paused(
    fake: FakeContainerd, freezer: Freezer, tmp_path: Path
) -> None:
    fake.containers["c"].state = PAUSED
    with freezer.freeze("c", 0.05) as hold:
        time.sleep(0.2)
        assert hold.still
        assert list(tmp_path.iterdir()) == []
    assert fake.calls == []
    assert freezer.recover() == []
    assert fake.containers["c"].state == PAUSED


def test_a_runtime_that_cannot_pause_goes_on(
    fake: FakeContainerd, freezer: Freezer
) -> None:
    fake.pause_fails = True
    with freezer.freeze("c", 10) as hold:
        assert not hold.still
    assert fake.containers["c"].state == RUNNING


def test_a_containerd_that_restarts_is_asked_again(
    fake: FakeContainerd, freezer: Freezer, tmp_path: Path
) -> None:
    fake.resume_fails = 3
    with freezer.freeze("c", 10):
        pass
    assert fake.containers["c"].state == RUNNING
    assert list(tmp_path.iterdir()) == []


def test_the_next_agent_thaws(
    fake: FakeContainerd, freezer: Freezer, tmp_path: Path
) -> None:
    fake.containers["c"].state = PAUSED
    (tmp_path / "c.freeze").write_text("{}")
    (tmp_path / "gone.freeze").write_text("{}")
    assert freezer.recover() == ["c"]
    assert fake.containers["c"].state == RUNNING
    assert list(tmp_path.iterdir()) == []


def test_the_next_agent_tries_again_later(
    fake: FakeContainerd, freezer: Freezer, tmp_path: Path
) -> None:
    fake.containers["c"].state = PAUSED
    fake.resume_fails = 1
    (tmp_path / "c.freeze").write_text("{}")
    assert freezer.recover() == []
    assert freezer.recover() == ["c"]


def test_a_freeze_that_is_held_is_not_recovered(
    fake: FakeContainerd, freezer: Freezer
) -> None:
    with freezer.freeze("c", 10):
        assert freezer.recover() == []
        assert fake.containers["c"].state == PAUSED


def test_a_container_that_is_gone(fake: FakeContainerd, containerd: Containerd) -> None:
    with pytest.raises(NotFound):
        containerd.task_state("other")
    assert containerd.task_state("c") is TaskState.RUNNING
