"""Processes: found again by their record, ended, never mistaken for another."""

import json
import os
import time
from pathlib import Path

import pytest

from devcluster.process import Process, start_time


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process("sleeper", records=tmp_path / "records", logs=tmp_path / "logs")


def start(process: Process, script: str) -> int:
    return process.start(["/bin/sh", "-c", script], dict(os.environ))


def test_a_process_is_found_again_and_stopped(process: Process, tmp_path: Path) -> None:
    pid = start(process, "exec sleep 60")
    again = Process("sleeper", records=tmp_path / "records", logs=tmp_path / "logs")

    assert again.pid == pid
    again.stop(patience=5)
    assert again.pid is None
    assert start_time(pid) is None


def test_one_that_does_not_listen_is_forced(process: Process) -> None:
    pid = start(process, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    while "ready" not in process.tail():
        time.sleep(0.01)

    process.stop(patience=0.3)

    assert start_time(pid) is None


def test_a_number_used_again_by_another_is_not_ours(
    process: Process, tmp_path: Path
) -> None:
    start(process, "exec sleep 60")
    process.stop(patience=5)
    record = {"pid": os.getpid(), "start_time": 1}
    (tmp_path / "records" / "sleeper.json").write_text(json.dumps(record))

    assert process.pid is None
    process.stop(patience=0)  # must not end this very test


def test_one_that_ended_before_its_record_is_gone(
    process: Process, tmp_path: Path
) -> None:
    start(process, "exit 1")
    record = tmp_path / "records" / "sleeper.json"
    pid = json.loads(record.read_text())["pid"]
    record.write_text(json.dumps({"pid": pid, "start_time": None}))
    while start_time(pid) is not None:
        time.sleep(0.01)

    assert process.ended()


def test_the_end_and_the_last_words_are_known(process: Process) -> None:
    start(process, "for i in 1 2 3 4; do echo line $i; done; echo broken >&2; exit 3")
    while not process.ended():
        time.sleep(0.01)

    assert process.tail(lines=2) == "line 4\nbroken"


def test_a_long_log_is_put_aside(process: Process, tmp_path: Path) -> None:
    process.log.parent.mkdir()
    with process.log.open("wb") as log:
        log.truncate(9 * 1024 * 1024)

    start(process, "echo new")
    while not process.ended():
        time.sleep(0.01)

    assert process.log.read_text() == "new\n"
    assert (tmp_path / "logs" / "sleeper.log.1").exists()


def test_nothing_to_stop_is_fine(process: Process) -> None:
    process.stop(patience=0)

    assert process.ended()
    assert process.tail() == "(no log)"
