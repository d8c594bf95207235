"""Building images for real: BuildKit in a pod, seen in the browser, attacked from inside."""

import json
import re
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from hub_service.building import pod as build_pod
from hub_service.building.source_policy import source_policy
from tests.axe import barriers, needs_axe
from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import API, headers, painted

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

PREFIX = "/services/desktops/"
Shoot = Callable[[Page, str], None]
FORBIDDEN = (
    "10.96.0.1 443",
    "10.97.0.1 6443",
    "10.97.0.1 10250",
    "10.97.0.1 30080",
    "hub.desktops.svc.cluster.local 8081",
    "hub-service.desktops.svc.cluster.local 8080",
    "169.254.169.254 80",
)
TRY = """\
for t in {places}; do set -- $t; \
  timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null \
  && echo "reached $t"; done; true"""


class Builder:
    """A person who builds, by the API with the browser's login."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    def build(self, image: str, dockerfile: str, **fields: Any) -> str:
        """Begin a build; return its job."""
        body = {"image": image, "dockerfile": dockerfile, **fields}
        reply = self._send("post", "builds", data=body)
        assert reply.status == 202, reply.text()
        return str(reply.json()["id"])

    def job(self, id: str) -> dict[str, Any]:
        """Return a job."""
        reply = self._send("get", f"jobs/{id}")
        # While hub_service restarts, the proxy answers.
        found: dict[str, Any] = reply.json() if reply.ok else {"state": "running"}
        return found

    def log(self, id: str) -> str:
        """Return a job's log so far."""
        return str(self._send("get", f"jobs/{id}/log").text())

    def cancel(self, id: str) -> None:
        """Cancel a job."""
        assert self._send("delete", f"jobs/{id}").status == 202

    def ended(self, id: str, timeout: float = 180) -> dict[str, Any]:
        """Wait for a job's end."""
        over: dict[str, Any] = wait_for(
            "the build ended",
            lambda: (job := self.job(id))["state"] not in ("queued", "running") and job,
            timeout,
        )
        return over

    def _send(self, verb: str, path: str, **fields: Any) -> Any:
        send = getattr(self.page.request, verb)
        return send(f"{API}/{path}", headers=headers(self.page), **fields)


@pytest.fixture(scope="module")
def builder(visit: Visit, cluster: Demo) -> Iterator[Builder]:
    name = f"bea-{uuid.uuid4().hex[:6]}"
    yield Builder(visit(name), name)
    claim = build_pod.lock_name(name)
    cluster.kubectl("delete", "pvc", claim, "--wait=false", check=False)


def leftovers(cluster: Demo) -> str:
    """Return what of builds is in the cluster, caches apart."""
    label = "app.kubernetes.io/component=build"
    return cluster.kubectl("get", "jobs,pods,configmaps", "-l", label, "-o", "name")


def test_a_list_of_packages_becomes_a_desktop(
    builder: Builder, cluster: Demo, shoot: Shoot
) -> None:
    page = builder.page
    page.goto(PREFIX)
    page.click("text=Build an image")
    page.fill("#title", "Steam course")
    page.fill("#apt", "sl")
    page.fill("#pip", "cowsay>=6")
    page.fill("#note", "Welcome to the course.")
    expect(page.locator("#build-source")).to_contain_text('"cowsay>=6"')
    shoot(page, "build-list")
    page.click("#build-button")
    page.wait_for_url(re.compile(r"/jobs/"))
    expect(page.locator("#job-log .step").first).to_be_visible(timeout=60_000)
    shoot(page, "build-running")
    expect(page.locator("#job-succeeded")).to_be_visible(timeout=180_000)
    expect(page.locator("#job-message")).to_have_text("Built Steam course, version 1.")
    expect(page.locator("#job-log")).to_contain_text("Setting up sl")
    shoot(page, "build-done")
    page.locator("#job-succeeded .btn-jupyter").click()
    painted(page)
    pod = cluster.pod_of(builder.name, "steam-course")
    script = (
        "test -x /usr/games/sl && python -c 'import cowsay' && cat ~/Desktop/README.txt"
    )
    assert cluster.run(pod, script) == "Welcome to the course.\n"
    shoot(page, "build-started")
    cluster.kubectl("delete", "pod", pod, "--wait=false")
    wait_for("nothing is left", lambda: not leftovers(cluster))


def test_what_is_in_it_is_on_its_page(builder: Builder, shoot: Shoot) -> None:
    page = builder.page
    page.goto(f"{PREFIX}images/{builder.name}/steam-course")
    expect(page.locator(".desktop-versions")).to_contain_text("cowsay")
    expect(page.locator(".desktop-versions")).to_contain_text("sl")


def test_a_build_reaches_nothing_of_the_cluster(builder: Builder) -> None:
    places = " ".join(f'"{one}"' for one in (*FORBIDDEN, "deb.debian.org 443"))
    id = builder.build(
        "Curious",
        "FROM remote-desktop\nUSER root\n" f"RUN {TRY.format(places=places)}\n"
        # Nobody inside can take the rules away, or finds a password.
        "RUN apt-get update -qq"
        " && apt-get install -qq -y nftables >/dev/null\n"
        'RUN nft flush ruleset 2>/dev/null; echo "nft $?"; '
        f"{TRY.format(places=places)}\n"
        "RUN cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -ci passw; true\n",
    )
    end, log = builder.ended(id), builder.log(id)
    assert end["state"] == "succeeded", log
    # The outside is reached: the forbidden ones were really tried.
    assert log.count(" reached deb.debian.org 443\n") == 2
    assert [line for line in log.splitlines() if " reached 1" in line] == []
    assert " reached hub" not in log
    assert re.search(r"#\d+ [\d.]+ nft 1\n", log), log
    assert re.search(r"#\d+ [\d.]+ 0\n", log)


def test_buildkit_itself_refuses_what_the_rules_did_not_see(
    builder: Builder, cluster: Demo
) -> None:
    """The Job as hub_service makes it, but with a Dockerfile that it would refuse."""
    settings = cluster.get("configmap", "hub-service")["data"]
    template = json.loads(settings["build.json"])
    bases = json.loads(settings["config.json"])["HubService"]["build_bases"]
    # An image that is there, but not offered.
    registry = cluster.get("deployment", "registry")["spec"]["template"]["spec"]
    other = registry["containers"][0]["image"]
    id, owner = uuid.uuid4().hex, f"eve-{uuid.uuid4().hex[:6]}"
    job = build_pod.job(template["job"], id=id, owner=owner, environment={"fetch": {}})
    name = job["metadata"]["name"]
    files = {
        **template["files"],
        "Dockerfile": f"FROM remote-desktop\nCOPY --from={other} / /y\n",
        "policy.json": source_policy(bases),
    }
    config = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}
    for one in (
        build_pod.claim(template["claim"], owner),
        {**config, "data": files},
        job,
    ):
        cluster.kubectl("create", "-f", "-", text=json.dumps(one))
    try:
        said = ["logs", f"job/{name}", "-c", "build"]
        wait_for(
            "BuildKit refuses it",
            lambda: '"code": "source_denied"' in cluster.kubectl(*said, check=False),
        )
    finally:
        cluster.kubectl("delete", f"job/{name}", f"configmap/{name}", f"pvc/{name}")


def test_a_failure_is_shown_with_its_step_and_tried_again(
    builder: Builder, shoot: Shoot
) -> None:
    page = builder.page
    id = builder.build("Broken", "FROM remote-desktop\nRUN echo before && false\n")
    job = builder.ended(id)
    assert (job["state"], job["error"]["code"]) == ("failed", "build_failed")
    page.goto(f"{PREFIX}jobs/{id}")
    expect(page.locator("#job-message")).to_contain_text("RUN echo before && false")
    expect(page.locator("#job-log .bad")).to_be_visible()
    shoot(page, "build-failed")
    page.click("#job-failed >> text=Try again")
    expect(page.locator("#dockerfile")).to_have_value(re.compile("echo before"))
    page.fill("#dockerfile", "FROM alpine\n")
    expect(page.locator("#build-problems li")).to_contain_text("alpine is not one of")
    page.click("#build-button")
    expect(page.locator("#build-problems li")).to_contain_text("Line 1")
    expect(page.locator("#dockerfile")).to_have_value(re.compile("FROM alpine"))
    shoot(page, "build-refused")


def test_a_cancelled_build_really_stops(builder: Builder, cluster: Demo) -> None:
    id = builder.build("Slow", "FROM remote-desktop\nRUN sleep 300\n")
    wait_for("it runs", lambda: "sleep 300" in builder.log(id))
    waiting = builder.build("Waits", "FROM remote-desktop\nRUN true\n")
    assert builder.job(waiting)["message"].startswith("Waiting: number")
    began = time.monotonic()
    builder.cancel(id)
    assert builder.ended(id)["state"] == "cancelled"
    assert time.monotonic() - began < 30
    assert builder.ended(waiting)["state"] == "succeeded"
    wait_for("nothing is left", lambda: not leftovers(cluster))


def test_a_restart_of_hub_service_loses_nothing_of_a_build(
    builder: Builder, cluster: Demo
) -> None:
    loop = "for i in $(seq 12); do echo line $i; sleep 1; done"
    id = builder.build("Patient", f"FROM remote-desktop\nRUN {loop}\n")
    wait_for("it runs", lambda: "line 3\n" in builder.log(id))
    cluster.restart("deployment", "hub-service")
    assert builder.ended(id)["state"] == "succeeded"
    told = re.findall(r" line (\d+)\n", builder.log(id))
    assert told == [str(number) for number in range(1, 13)]


def test_files_come_along(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "greeting.txt").write_text("hello from my laptop\n")
    with tarfile.open(tmp_path / "files.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "greeting.txt", "greeting.txt")
    page = builder.page
    page.goto(f"{PREFIX}build?way=dockerfile")
    page.fill("#title", "With files")
    page.fill(
        "#dockerfile",
        "FROM remote-desktop\nCOPY greeting.txt /opt/\nRUN cat /opt/greeting.txt\n",
    )
    page.set_input_files("#context-file", tmp_path / "files.tar.gz")
    expect(page.locator("#context-state")).to_have_text("Your files are here.")
    page.click("#build-button")
    expect(page.locator("#job-succeeded")).to_be_visible(timeout=180_000)
    expect(page.locator("#job-log")).to_contain_text("hello from my laptop")


@needs_axe
def test_nothing_is_a_barrier(builder: Builder, visit: Visit) -> None:
    job = builder.page.request.get(f"{API}/jobs").json()["items"]
    french = visit(builder.name, locale="fr-FR", color_scheme="dark")
    found = []
    for page in (builder.page, french):
        paths = ["build", "build?way=dockerfile"]
        paths += [f"jobs/{one['id']}" for one in job[:2]]
        for path in paths:
            page.goto(PREFIX + path)
            found += [f"{path}: {one}" for one in barriers(page)]
    assert not found, "\n".join(found)
