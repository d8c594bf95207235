"""`desktops save` and `desktops jobs`: what is asked, what is shown, how it ends."""

import re
from pathlib import Path

from tests.cli.conftest import Desk
from tests.fakes.hub_service import FakeHubService

SERVER = {"user": "alice", "name": ""}


def test_a_save_is_followed_to_its_end(desk: Desk, fake: FakeHubService) -> None:
    result = desk("save", "GIS course")
    assert result.code == 0
    [job] = fake.jobs.values()
    assert result.output == f"{job['message']}\n"
    assert fake.requests[0]["body"] == {
        "server": SERVER,
        "image": "GIS course",
        "description": "",
        "include_home": True,
        "exclude": [],
        "stop_after": False,
        "start_test": False,
        "activate": True,
    }


def test_every_option_reaches_the_service(desk: Desk, fake: FakeHubService) -> None:
    words = ["--server", "r", "--description", "adds R", "--no-home", "--stop"]
    words += ["--test", "--stage"]
    desk("save", "alice/gis-course", *words, "--exclude", "/a", "--exclude", "b")
    assert fake.requests[0]["body"] == {
        "server": {"user": "alice", "name": "r"},
        "image": {"name": "gis-course"},
        "description": "adds R",
        "include_home": False,
        "exclude": ["/a", str(Path.cwd() / "b")],
        "stop_after": True,
        "start_test": True,
        "activate": False,
    }


def test_without_a_name_it_is_the_image_of_this_desktop(
    desk: Desk, fake: FakeHubService
) -> None:
    assert desk("save").code == 0
    preview, commit = fake.requests[:2]
    assert preview["what"] == "POST /commits/preview"
    assert commit["body"]["image"] == {"name": "gis-course"}
    fake.reset()
    fake.preview["image"] = None
    result = desk("save")
    assert (result.code, "say under which name" in result.errors) == (2, True)
    assert fake.jobs == {}


def test_detached_it_prints_the_id_alone(desk: Desk, fake: FakeHubService) -> None:
    fake.play_seconds = None
    result = desk("save", "GIS course", "--detach")
    assert (result.code, result.errors) == (0, "")
    assert result.output.strip() in fake.jobs


def test_json_is_the_job_as_it_ended(desk: Desk, fake: FakeHubService) -> None:
    result = desk("save", "GIS course", "--json")
    assert result.document == fake.jobs[result.document["id"]]
    assert result.document["state"] == "succeeded"


def test_progress_is_plain_lines_in_a_file(desk: Desk, fake: FakeHubService) -> None:
    errors = desk("save", "GIS course").errors
    assert "\r" not in errors and "\x1b" not in errors
    assert errors.splitlines() == ["Waiting for its turn"]


def test_progress_is_one_line_on_a_terminal(desk: Desk, fake: FakeHubService) -> None:
    errors = desk("save", "GIS course", width=60).errors
    assert "\n" not in errors
    drawn = [line for line in errors.split("\r\x1b[K") if line]
    assert max(len(line) for line in drawn) < 60
    assert "Waiting for its turn 164.8 MB of 412.0 MB, 120.0 MB/s" in drawn
    assert errors.endswith("\r\x1b[K")


def test_a_save_that_fails_ends_with_1(desk: Desk, fake: FakeHubService) -> None:
    fake.play_seconds = None
    id = desk("save", "GIS course", "--detach").output.strip()
    fake.jobs[id]["message"] = "Not saved: the disk is full."
    fake.fail_job(id, "disk_full", "Not saved: the disk is full.")
    followed = desk("jobs", "--follow", id[:8])
    assert followed.code == 1
    assert followed.errors == "desktops: Not saved: the disk is full.\n"
    error = desk("jobs", "--follow", id, "--json").document["error"]
    assert (error["code"], error["details"]["job"]) == ("disk_full", id)


def test_a_cancelled_save_ends_with_1(desk: Desk, fake: FakeHubService) -> None:
    fake.play_seconds = None
    id = desk("save", "GIS course", "--detach").output.strip()
    assert desk("cancel", id).code == 0
    assert fake.jobs[id]["state"] == "cancelled"
    assert desk("jobs", "--follow", id).code == 1


def test_what_has_ended_cannot_be_cancelled(desk: Desk, fake: FakeHubService) -> None:
    job = fake.add_job(SERVER)
    job.update(state="succeeded", ended=job["created"], message="Saved as GIS course.")
    result = desk("cancel", job["id"])
    assert (result.code, "ended already: Saved as GIS" in result.errors) == (1, True)


def test_the_table_of_jobs(desk: Desk, fake: FakeHubService) -> None:
    job = fake.add_job(SERVER)
    head, row = desk("jobs").output.splitlines()
    assert head.split() == ["ID", "KIND", "STATE", "IMAGE", "BEGUN", "MESSAGE"]
    cells = re.split(r"  +", row)
    assert cells[:4] == [job["id"][:8], "commit", "queued", "alice/gis-course@4"]
    assert [head.index("IMAGE"), head.index("MESSAGE")] == [
        row.index("alice/"),
        row.index("Waiting"),
    ]
    assert desk("jobs", "--json").document == {"items": [job]}


def test_the_table_of_jobs_fits_the_terminal(desk: Desk, fake: FakeHubService) -> None:
    fake.add_job(SERVER)["message"] = "A long sentence. " * 10
    lines = desk("jobs", width=72).output.splitlines()
    assert max(len(line) for line in lines) <= 72
    assert lines[1].endswith("…")
    assert "sentence. A long" in desk("jobs").output


def test_the_beginning_of_an_id_must_mean_one_job(
    desk: Desk, fake: FakeHubService
) -> None:
    one, other = fake.add_job(SERVER), fake.add_job({"user": "alice", "name": "r"})
    for job, id in ((one, "abcd" + "0" * 28), (other, "abcd" + "1" * 28)):
        fake.jobs[id] = {**fake.jobs.pop(job["id"]), "id": id}
    assert desk("cancel", "abcd").code == 1
    assert desk("cancel", "dcba").code == 4
    assert desk("cancel", "abcd1").code == 0
    assert [job["state"] for job in fake.jobs.values()] == ["queued", "cancelled"]
