"""The page's requests through a real Jupyter server to a (fake, real HTTP) hub service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.hub_service import TOKEN, Failure, FakeHubService

from .server import JupyterServer, notebook_environment, session_environment

SERVER = {"user": "alice", "name": "course"}
SAVE = {
    "image": "GIS course",
    "description": "new",
    "include_home": True,
    "exclude": [],
}


def save(jupyter: JupyterServer) -> dict[str, Any]:
    answer = jupyter.client.post("desktop-save/commits", json=SAVE)
    assert answer.status_code == 202
    job: dict[str, Any] = answer.json()
    return job


def test_the_session_is_told_without_a_secret(jupyter: JupyterServer) -> None:
    answer = jupyter.client.get("desktop-save/session")
    assert answer.json() == {
        "user": "alice",
        "server": "course",
        "session": "customise",
        "title": "GIS course",
        "image": {"owner": "alice", "name": "gis-course", "title": "GIS course"},
        "hub_url": "/hub/",
        "can_save": True,
        "why_not": None,
    }
    assert TOKEN not in answer.text


def test_the_preview_is_of_this_server_whatever_is_sent(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    body = {
        "server": {"user": "bob", "name": ""},
        "include_home": False,
        "exclude": ["/opt/x"],
    }
    answer = jupyter.client.post("desktop-save/preview", json=body)
    assert answer.json()["bytes"] == 374_000_000
    request = hub.requests[-1]
    assert request["body"] == {
        "server": SERVER,
        "include_home": False,
        "exclude": ["/opt/x"],
    }
    assert request["language"] == "fr"
    assert request["token"] == f"token {TOKEN}"


@pytest.mark.parametrize(
    "asked,got", [("fr-FR", "fr-FR"), ("en", "en"), ("x y", "fr"), ("", "fr")]
)
def test_a_page_may_speak_another_language_than_the_browser(
    jupyter: JupyterServer, hub: FakeHubService, asked: str, got: str
) -> None:
    jupyter.client.get("desktop-save/jobs", params={"language": asked})
    assert hub.requests[-1]["language"] == got


def test_a_save_is_begun_for_this_server(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    body = {**SAVE, "server": {"user": "bob", "name": ""}, "number": 99}
    answer = jupyter.client.post("desktop-save/commits", json=body)
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    assert hub.requests[-1]["body"] == {**SAVE, "server": SERVER}


def test_a_second_save_is_refused_in_the_words_of_the_service(
    jupyter: JupyterServer,
) -> None:
    save(jupyter)
    answer = jupyter.client.post("desktop-save/commits", json=SAVE)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "save_in_progress"


def test_only_this_servers_jobs_are_listed(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    hub.add_job({"user": "alice", "name": "other"})
    first = hub.add_job(SERVER)
    second = hub.add_job(SERVER)
    first["created"], second["created"] = "2999-01-01T00:00:00Z", "2999-01-02T00:00:00Z"
    # An earlier desktop of the same name.
    hub.add_job(SERVER)["created"] = "2020-01-01T00:00:00Z"
    items = jupyter.client.get("desktop-save/jobs").json()["items"]
    assert [job["id"] for job in items] == [second["id"], first["id"]]


def test_a_job_is_asked_for_and_cancelled(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    job = save(jupyter)
    assert (
        jupyter.client.get(f"desktop-save/jobs/{job['id']}").json()["id"] == job["id"]
    )
    assert jupyter.client.delete(f"desktop-save/jobs/{job['id']}").status_code == 202
    state = jupyter.client.get(f"desktop-save/jobs/{job['id']}").json()["state"]
    assert state == "cancelled"
    assert jupyter.client.get("desktop-save/jobs/unknown").status_code == 404


def events(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    found = []
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
    return found


def test_events_come_as_they_happen(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    job = save(jupyter)
    with jupyter.client.stream(
        "GET", f"desktop-save/jobs/{job['id']}/events"
    ) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert next(lines) == "event: job"
        assert json.loads(next(lines).removeprefix("data: "))["state"] == "queued"
        next(lines)
        hub.advance(job["id"], "read", 231_000_000, 412_000_000)
        assert next(lines) == "event: job"
        assert (
            json.loads(next(lines).removeprefix("data: "))["bytes_done"] == 231_000_000
        )
        hub.finish(job["id"])
        rest = list(lines)
    assert rest[-3:] == ["event: end", "data: {}", ""]


def test_a_page_that_goes_away_ends_the_stream_to_the_service(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    job = save(jupyter)
    # No event and no keepalive is due: only the closed connection can tell.
    with jupyter.client.stream(
        "GET", f"desktop-save/jobs/{job['id']}/events"
    ) as answer:
        next(answer.iter_lines())
        assert hub.open_streams == 1
    hub.keepalive = 0.2
    deadline = time.monotonic() + 5
    while hub.open_streams and time.monotonic() < deadline:
        # The fake notices at its next write.
        hub.advance(job["id"], "plan", 0)
        time.sleep(0.1)
    assert hub.open_streams == 0
    assert "Traceback" not in jupyter.log


def test_a_stream_that_is_cut_ends_and_can_be_opened_again(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    job = save(jupyter)
    path = f"desktop-save/jobs/{job['id']}/events"
    with jupyter.client.stream("GET", path) as answer:
        lines = answer.iter_lines()
        next(lines)
        hub.cut_streams()
        list(lines)
    hub.finish(job["id"])
    with jupyter.client.stream("GET", path) as answer:
        assert [name for name, _ in events(answer)] == ["job", "end"]
    assert "Traceback" not in jupyter.log


def test_events_that_are_refused_are_an_error_and_not_a_stream(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    hub.fail("GET /jobs/x/events", Failure(status=403, code="forbidden", message="No."))
    answer = jupyter.client.get("desktop-save/jobs/x/events")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Failure(), 503, "registry_unavailable"),
        (Failure(status=403, code="forbidden", message="No."), 403, "forbidden"),
        (
            Failure(status=413, code="quota_exceeded", message="No."),
            413,
            "quota_exceeded",
        ),
        (Failure(cut=True), 503, "service_unavailable"),
    ],
)
def test_a_failure_has_one_shape(
    jupyter: JupyterServer,
    hub: FakeHubService,
    failure: Failure,
    status: int,
    code: str,
) -> None:
    hub.fail("POST /commits", failure)
    answer = jupyter.client.post("desktop-save/commits", json=SAVE)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    assert answer.json()["error"]["code"] == code
    assert TOKEN not in answer.text
    assert TOKEN not in jupyter.log


def test_a_slow_service_is_waited_for(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    hub.fail("POST /commits/preview", Failure(status=0, seconds=1.5))
    assert jupyter.client.post("desktop-save/preview", json={}).status_code == 200


def test_a_service_that_is_away_is_said(
    start_jupyter: Callable[[dict[str, str]], JupyterServer], tmp_path: Path
) -> None:
    # Port 9 on loopback: nobody listens there.
    jupyter = start_jupyter(
        session_environment("http://127.0.0.1:9/api/v1", tmp_path / "no")
    )
    answer = jupyter.client.post("desktop-save/preview", json={})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "service_unavailable"
    assert "nothing was lost" in answer.json()["error"]["message"]


def test_without_a_hub_the_desktop_says_why_it_cannot_be_saved(
    start_jupyter: Callable[[dict[str, str]], JupyterServer], tmp_path: Path
) -> None:
    jupyter = start_jupyter({"DESKTOP_VNC_SOCKET": str(tmp_path / "no")})
    session = jupyter.client.get("desktop-save/session").json()
    assert (session["can_save"], session["why_not"]) == (False, "not_under_hub")
    answer = jupyter.client.post("desktop-save/preview", json={})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "cannot_save"


@pytest.mark.parametrize(
    "path",
    ["session", "ready", "jobs", "jobs/x", "jobs/x/events"],
)
def test_a_stranger_learns_nothing(jupyter: JupyterServer, path: str) -> None:
    answer = jupyter.stranger.get(f"desktop-save/{path}")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "signed_out"


def test_a_change_without_the_xsrf_header_is_refused(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    # A browser is signed in by a cookie, which other sites' forms send along.
    browser = httpx.Client(base_url=jupyter.client.base_url, follow_redirects=True)
    with browser:
        browser.get(jupyter.page_url)
        assert browser.get("desktop-save/session").is_success
        assert browser.post("desktop-save/commits", json=SAVE).status_code == 403
        xsrf = browser.cookies["_xsrf"]
        answer = browser.post(
            "desktop-save/commits", json=SAVE, headers={"X-XSRFToken": xsrf}
        )
        assert answer.status_code == 202
    assert len(hub.jobs) == 1


def test_a_body_that_is_no_object_is_refused(
    jupyter: JupyterServer, hub: FakeHubService
) -> None:
    for body in (b"[1]", b"no json"):
        answer = jupyter.client.post("desktop-save/commits", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "bad_request"
    assert not hub.requests


NOTEBOOK = {"user": "team", "name": "desk"}


def test_a_notebook_saves_itself_with_its_pods_token(
    start_jupyter: Callable[[dict[str, str]], JupyterServer],
    hub: FakeHubService,
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    token.write_text("of-this-pod\n")
    hub.credentials = {"Bearer of-this-pod", "Bearer renewed"}
    environment = notebook_environment(hub.url, tmp_path / "vnc.sock", token)
    jupyter = start_jupyter(environment)
    session = jupyter.client.get("desktop-save/session")
    told = {
        key: session.json()[key] for key in ("user", "server", "hub_url", "why_not")
    }
    assert told == {"user": "team", "server": "desk", "hub_url": "", "why_not": None}
    assert "of-this-pod" not in session.text and str(token) not in session.text
    body = {**SAVE, "server": {"user": "other", "name": "desk"}}
    # What the gateway says of the person is not passed on: a program in here could say it too.
    headers = {"kubeflow-userid": "bob@example.com"}
    answer = jupyter.client.post("desktop-save/commits", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert hub.requests[-1]["body"] == {**SAVE, "server": NOTEBOOK}
    assert hub.requests[-1]["token"] == "Bearer of-this-pod"
    token.write_text("renewed\n")
    jobs = jupyter.client.get("desktop-save/jobs").json()["items"]
    assert [job["server"] for job in jobs] == [NOTEBOOK]
    assert hub.requests[-1]["token"] == "Bearer renewed"
    job = jobs[0]["id"]
    hub.finish(job)
    with jupyter.client.stream("GET", f"desktop-save/jobs/{job}/events") as stream:
        assert [name for name, _ in events(stream)][-1] == "end"
    token.unlink()
    answer = jupyter.client.post("desktop-save/preview", json={})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "service_unavailable"


@pytest.mark.parametrize("missing", ["DESKTOPS_API_URL", "DESKTOPS_TOKEN_FILE"])
def test_a_notebook_that_was_given_no_way_to_save_says_so(
    start_jupyter: Callable[[dict[str, str]], JupyterServer],
    missing: str,
    tmp_path: Path,
) -> None:
    environment = notebook_environment("http://x", tmp_path / "s", tmp_path / "token")
    del environment[missing]
    session = start_jupyter(environment).client.get("desktop-save/session").json()
    assert (session["can_save"], session["why_not"]) == (False, "no_service")
