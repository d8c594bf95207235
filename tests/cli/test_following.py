"""Following a job while connections break, and when somebody presses Ctrl-C."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from desktops_cli.client import Client
from desktops_cli.errors import NotAllowed, Unavailable
from desktops_cli.events import Event, read_events
from desktops_cli.figures import Figures
from desktops_cli.following import PATIENCE, Follower
from desktops_cli.progress import Progress
from desktops_cli.settings import Settings
from desktops_cli.words import plain
from tests.cli.conftest import Desk
from tests.fakes.hub_service import TOKEN, Failure, FakeHubService

SERVER = {"user": "alice", "name": ""}


class Clock:
    """Time that passes by pausing only."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@pytest.fixture
def followed(fake: FakeHubService) -> Iterator[tuple[Follower, Clock, io.StringIO]]:
    """What follows a job, the clock it has, and what it shows."""
    clock, shown = Clock(), io.StringIO()
    progress = Progress(shown, None, Figures(plain, "en"), plain, clock.now)
    client = Client(Settings(fake.url, TOKEN), "en", "test")
    yield Follower(client, progress, plain, clock.pause, clock.now), clock, shown
    client.close()


Followed = tuple[Follower, Clock, io.StringIO]


def until(condition: object) -> None:
    """Wait until a condition, a function, is true."""
    for _ in range(2000):
        if callable(condition) and condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


def test_a_broken_connection_is_made_again(
    fake: FakeHubService, followed: Followed
) -> None:
    follower, clock, shown = followed
    job = fake.add_job(SERVER)

    def interfere() -> None:
        until(lambda: fake.open_streams == 1)
        fake.fail(f"GET /jobs/{job['id']}/events", Failure(cut=True))
        fake.cut_streams()
        until(lambda: fake.open_streams == 1 and len(clock.pauses) == 2)
        fake.finish(job["id"])

    helper = threading.Thread(target=interfere)
    helper.start()
    assert follower.follow(job["id"])["state"] == "succeeded"
    helper.join()
    assert clock.pauses == [0.5, 1.0]
    assert shown.getvalue().count("The connection broke") == 1


def test_a_service_that_is_away_is_waited_for(
    fake: FakeHubService, followed: Followed
) -> None:
    follower, clock, _ = followed
    job = fake.add_job(SERVER)
    fake.finish(job["id"])
    fake.fail(f"GET /jobs/{job['id']}/events", Failure(status=503, times=6))
    assert follower.follow(job["id"])["state"] == "succeeded"
    assert clock.pauses == [0.5, 1, 2, 4, 8, 10]


def test_it_gives_up_after_a_while(fake: FakeHubService, followed: Followed) -> None:
    follower, clock, _ = followed
    job = fake.add_job(SERVER)
    fake.fail(f"GET /jobs/{job['id']}/events", Failure(status=503, times=1000))
    with pytest.raises(Unavailable):
        follower.follow(job["id"])
    assert PATIENCE < clock.seconds < PATIENCE + 20


def test_a_refusal_ends_it_at_once(fake: FakeHubService, followed: Followed) -> None:
    follower, clock, _ = followed
    job = fake.add_job(SERVER)
    fake.fail(f"GET /jobs/{job['id']}/events", Failure(status=403, code="forbidden"))
    with pytest.raises(NotAllowed):
        follower.follow(job["id"])
    assert clock.pauses == []


@pytest.mark.parametrize("resumes", [True, False])
def test_no_part_of_a_log_comes_twice(
    fake: FakeHubService, followed: Followed, resumes: bool
) -> None:
    follower, clock, shown = followed
    fake.resumes = resumes
    job = fake.add_job(SERVER)
    fake.print_log(job["id"], "#1 FROM base\n#2 RUN é")

    def interfere() -> None:
        until(lambda: "#1 FROM" in shown.getvalue())
        fake.cut_streams()
        until(lambda: clock.pauses and fake.open_streams == 1)
        fake.print_log(job["id"], "cho\x1b[2J\n#3 done")
        until(lambda: "#2" in shown.getvalue())
        fake.finish(job["id"])

    helper = threading.Thread(target=interfere)
    helper.start()
    follower.follow(job["id"])
    follower.progress.close()
    helper.join()
    printed = [one for one in shown.getvalue().splitlines() if one.startswith("#")]
    assert printed == ["#1 FROM base", "#2 RUN écho [2J", "#3 done"]
    streams = [one for one in fake.requests if one["what"].endswith("/events")]
    assert [one["last_id"] for one in streams] == [None, "21"]


def test_events_may_come_in_any_pieces() -> None:
    stream = (
        b': hello\n\nevent: job\ndata: {"a":\ndata: 1}\n\nid: 7\nevent: log\n'
        b"data: x\xe2\x80\xa8y\n\nevent: end\ndata: {}"
    )
    expected = [Event("job", '{"a":\n1}', ""), Event("log", "x\u2028y", "7")]
    for length in range(1, len(stream)):
        pieces = [stream[at : at + length] for at in range(0, len(stream), length)]
        assert list(read_events(pieces)) == expected


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let children hear SIGINT: a shell's background job ignores it, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_the_job_and_says_how_to_look_again(
    desk: Desk, fake: FakeHubService
) -> None:
    fake.play_seconds = None
    process = subprocess.Popen(
        [sys.executable, "-m", "desktops_cli", "save", "GIS course"],
        env={**os.environ, **desk.environ, "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: fake.open_streams == 1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    [job] = fake.jobs.values()
    assert (process.returncode, output) == (130, "")
    assert f"desktops jobs --follow {job['id'][:8]}" in errors
    assert job["state"] == "queued"


def test_a_reader_that_has_enough_is_no_failure(
    desk: Desk, fake: FakeHubService
) -> None:
    for number in range(300):
        fake.add_job({"user": "alice", "name": str(number)})
    process = subprocess.Popen(
        [sys.executable, "-m", "desktops_cli", "jobs", "--json"],
        env={**os.environ, **desk.environ, "PYTHONUNBUFFERED": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    process.stdout.read(10)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(20), errors) == (0, b"")
