"""What can go wrong during a save on the real cluster: it ends truly, the desktop is unharmed."""

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import API, post, start
from tests.cluster.session import Desktop

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

# What does not compress takes long to send, and zeros take long to read and nothing to send.
BIG = """
mkdir -p ~/big/many && cd ~/big
for i in 1 2 3; do head -c 90000000 /dev/urandom > $i; done
truncate -s 8G zeros
head -c 20000000 /dev/urandom | split -b 4000 -a 4 - many/
"""


@pytest.fixture(scope="module")
def desktop(cluster: Demo, visit: Visit) -> Iterator[Desktop]:
    """One desktop for all faults: each must leave it unharmed for the next."""
    user = f"analyst-{uuid.uuid4().hex[:6]}"
    page = visit(user)
    start(page, user, "Remote Desktop", "customise")
    page.goto("/services/desktops/")
    desktop = Desktop(cluster, page, user)
    cluster.run(desktop.pod, BIG)
    yield desktop
    cluster.kubectl("delete", "pod", desktop.pod, "--wait=false", check=False)


def test_the_agent_is_killed_while_it_reads(desktop: Desktop) -> None:
    """The save begins anew with the agent that comes after it."""
    reply = desktop.save("Killed agent, read")
    assert reply.status == 202, reply.text()
    id = reply.json()["id"]
    desktop.in_step(id, "read")
    assert desktop.begun(id) == 1
    desktop.cluster.restart("daemonset", "snapshot-agent")
    ends_after_a_second_beginning(desktop, id)


def test_the_agent_is_killed_during_the_push(desktop: Desktop) -> None:
    id = desktop.save("Killed agent, push").json()["id"]
    desktop.in_step(id, "read")
    with desktop.cluster.registry_held():
        # It can but begin to push, however fast the machine is.
        desktop.in_step(id, "push")
        assert desktop.begun(id) == 1
        desktop.cluster.kill("snapshot-agent")
    desktop.cluster.kubectl("rollout", "status", "daemonset/snapshot-agent")
    ends_after_a_second_beginning(desktop, id)


def ends_after_a_second_beginning(desktop: Desktop, id: str) -> None:
    job = desktop.end_of(id)
    assert job["state"] == "succeeded", job
    # The log is that of the agent that came after the one that was killed.
    assert desktop.begun(id) == 1
    desktop.works()


@pytest.mark.parametrize("half", ["capture", "api"])
@pytest.mark.parametrize("step", ["read", "push"])
def test_one_half_of_the_agent_crashes(desktop: Desktop, half: str, step: str) -> None:
    id = desktop.save(f"Crash of {half} in {step}").json()["id"]
    with ExitStack() as held:
        if step == "push":
            desktop.in_step(id, "read")
            # It can but begin to push, however fast the machine is.
            held.enter_context(desktop.cluster.registry_held())
        desktop.in_step(id, step)
        wait_until_it_runs = desktop.cluster.crash("snapshot-agent", half)
    wait_until_it_runs()
    job = desktop.end_of(id)
    assert job["state"] == "succeeded", job
    desktop.works()
    spool = "find /var/spool/desktops-snapshot-agent -mindepth 1"
    pod = ["daemonset/snapshot-agent", "-c", "api", "--"]
    assert desktop.cluster.kubectl("exec", *pod, "bash", "-c", spool) == ""


def test_hub_service_is_killed_during_a_save(desktop: Desktop) -> None:
    id = desktop.save("Killed service").json()["id"]
    desktop.in_step(id, "read")
    desktop.cluster.restart("deployment", "hub-service")
    wait_for("hub_service", lambda: desktop.page.request.get(f"{API}/healthz").ok)
    job = desktop.end_of(id)
    assert job["state"] == "succeeded", job
    desktop.works()


def test_the_registry_is_down_before_a_save(desktop: Desktop) -> None:
    with desktop.cluster.without_registry():
        reply = desktop.save("No registry")
        assert reply.status == 503
        assert reply.json()["error"]["code"] == "registry_unavailable"
    desktop.works()


def test_the_registry_is_away_during_the_push(desktop: Desktop) -> None:
    reply = desktop.save("Registry away")
    id = reply.json()["id"]
    desktop.in_step(id, "read")
    with desktop.cluster.registry_held():
        desktop.in_step(id, "push")
    desktop.cluster.restart("deployment", "registry")
    desktop.cluster.await_registry()
    job = desktop.end_of(id)
    # True either way: the pushes that were tried again reached it, or the end says why not.
    if job["state"] == "failed":
        assert job["error"]["code"] == "registry_unavailable"
        assert "unharmed" in job["message"]
    else:
        assert job["state"] == "succeeded"
    desktop.works()


def test_a_second_save_of_the_same_desktop_is_refused(desktop: Desktop) -> None:
    first = desktop.save("Twice")
    second = desktop.save("Twice")
    assert (first.status, second.status) == (202, 409)
    assert second.json()["error"]["details"]["job"] == first.json()["id"]
    assert desktop.end_of(first.json()["id"])["state"] == "succeeded"


def test_a_save_is_cancelled(desktop: Desktop) -> None:
    id = desktop.save("Cancelled").json()["id"]
    page = desktop.page
    page.goto(f"/services/desktops/jobs/{id}")
    page.click("#job-running button")
    assert desktop.end_of(id)["state"] == "cancelled"
    desktop.works()


def test_somebody_elses_desktop_is_not_saved(desktop: Desktop, visit: Visit) -> None:
    page = visit(f"stranger-{uuid.uuid4().hex[:6]}")
    server = {"server": {"user": desktop.user}}
    for path, more in (("/commits", {"image": "Not mine"}), ("/commits/preview", {})):
        reply = post(page, path, server | more)
        assert reply.status == 403, reply.text()
    desktop.works()


def test_the_token_in_a_desktop_saves_that_desktop_only(desktop: Desktop) -> None:
    """Somebody else's image may run there: its programs find the token."""
    body = json.dumps({"server": {"user": desktop.user, "name": "another"}})
    asked = {
        "GET images": "200",
        f"GET images/{desktop.user}/twice": "200",
        f"PATCH images/{desktop.user}/twice": "403",
        f"DELETE images/{desktop.user}/twice": "403",
        "POST builds": "403",
        "POST commits/preview": "403",
    }
    for request, status in asked.items():
        verb, path = request.split()
        script = (
            f"curl -s -o /dev/null -w '%{{http_code}}' -X {verb} -d '{body}' "
            f'-H "Authorization: token $JUPYTERHUB_API_TOKEN" $DESKTOPS_API_URL/{path}'
        )
        assert desktop.cluster.run(desktop.pod, script) == status, request


def test_the_desktop_goes_on_while_it_is_saved(desktop: Desktop) -> None:
    stop = threading.Event()

    def beat() -> int:
        beats = 0
        while not stop.is_set():
            desktop.works()
            beats += 1
        return beats

    with ThreadPoolExecutor() as threads:
        beating = threads.submit(beat)
        try:
            job = desktop.end_of(desktop.save("Goes on").json()["id"])
        finally:
            stop.set()
        assert beating.result() > 2
    assert job["state"] == "succeeded"


def test_the_desktop_is_killed_during_its_save(desktop: Desktop) -> None:
    """The last of this file: it ends the desktop."""
    id = desktop.save("Killed desktop").json()["id"]
    desktop.in_step(id, "read")
    desktop.cluster.kubectl("delete", "pod", desktop.pod, "--force", "--grace-period=0")
    job = desktop.end_of(id)
    # What was read whole is saved; otherwise the end says that the desktop stopped.
    if job["state"] == "failed":
        assert job["error"]["code"] in (
            "container_gone",
            "pod_not_found",
            "server_not_running",
        )
    reply = desktop.save("After the end")
    assert reply.status == 409
    assert reply.json()["error"]["code"] == "server_not_running"
