"""The cases as data on the node of a real Kubernetes, as a pod that the kubelet has started.

Through the agent as it is installed, into the chart's registry; what containerd and umoci make
of the image there is compared with what the pod has.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from devcluster.image import Images
from devcluster.settings import REGISTRY, Settings
from oci.auth import Credentials
from oci.client import RegistryClient
from tests.cluster.conftest import Demo, wait_for
from tests.conformance.cases import CASES
from tests.conformance.cases_image import SCRIPT, cases_image
from tests.conformance.steps import carry_out
from tests.conformance.unpackers import unpacked_by_umoci
from tests.images import archive
from tests.trees import differences, snapshot

pytestmark = pytest.mark.cluster

REGISTRY_URL = "http://127.0.0.1:30500"
NAME = f"{REGISTRY}/tests/cases:1"
REPOSITORY = "desktops/tester/cases"
# Mounted by the kubelet, made by the runtime, or left out on purpose.
SKIPPED = frozenset(
    {"proc", "sys", "dev", "run", "tmp", "var", "etc/hosts", "etc/hostname"}
    | {"etc/resolv.conf"}
)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "cases",
        "labels": {"component": "singleuser-server"},
        "annotations": {"hub.jupyter.org/username": "tester"},
    },
    "spec": {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "notebook", "image": NAME, "imagePullPolicy": "Never"}],
    },
}


@dataclass(frozen=True)
class Desk:
    """The pod: its uid, and its filesystem as its programs see it."""

    uid: str
    root: Path


@pytest.fixture
def desk(cluster: Demo, tmp_path: Path) -> Iterator[Desk]:
    image = cases_image(tmp_path)
    settings = Settings.from_environment({})
    Images(settings).load(archive(image, NAME, tmp_path / "image.tar"), NAME)
    cluster.kubectl("delete", "pod", "cases", "--ignore-not-found", "--wait")
    cluster.kubectl("apply", "-f", "-", text=json.dumps(POD))
    try:
        cluster.kubectl("wait", "pod/cases", "--for=condition=Ready", "--timeout=60s")
        pod = cluster.get("pod", "cases")
        container = pod["status"]["containerStatuses"][0]["containerID"]
        yield Desk(pod["metadata"]["uid"], rootfs(container.rpartition("/")[2]))
    finally:
        cluster.kubectl("delete", "pod", "cases", "--ignore-not-found", "--wait")


def rootfs(container: str) -> Path:
    """Where the node has a container's filesystem mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        place = line.split()[1]
        if place.endswith(f"{container}/rootfs"):
            return Path(place)
    raise AssertionError(f"{container} is not mounted")


class InstalledAgent:
    """The agent of the node, asked as hub_service asks it."""

    def __init__(self, cluster: Demo) -> None:
        labels = "app.kubernetes.io/component=snapshot-agent"
        [pod] = cluster.get("pods", "-l", labels)["items"]
        [port] = [
            port["containerPort"]
            for container in pod["spec"]["containers"]
            for port in container.get("ports", [])
        ]
        token = cluster.kubectl(
            *("create", "token", "hub-service"), "--audience", "desktops-snapshot-agent"
        )
        self._http = httpx.Client(
            base_url=f"http://{pod['status']['podIP']}:{port}",
            headers={"Authorization": f"Bearer {token.strip()}"},
            trust_env=False,
            timeout=60,
        )

    def close(self) -> None:
        self._http.close()

    def save(self, desk: Desk, number: int) -> dict[str, Any]:
        """Save the pod; the result."""
        body = {
            "id": f"cases-{desk.uid}-{number}",
            "pod_uid": desk.uid,
            "container": "notebook",
            "owner": "tester",
            "image": "cases",
            "number": number,
            "title": "Cases",
            "description": "",
            "include_home": True,
            "exclude": [],
        }
        answer = self._http.post("/v1/commits", json=body)
        assert answer.is_success, answer.text

        def ended() -> dict[str, Any] | None:
            status = self._http.get(f"/v1/commits/{body['id']}").json()
            return None if status["state"] == "running" else dict(status)

        status = wait_for("the save ends", ended, 120)
        assert status["state"] == "succeeded", status
        return dict(status["result"])


@pytest.fixture
async def registry(cluster: Demo) -> AsyncIterator[RegistryClient]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield RegistryClient(REGISTRY_URL, http, credentials=login(cluster))


def login(cluster: Demo) -> Credentials:
    """Of who may push to the chart's registry."""
    return Credentials(
        cluster.secret("registry-push", "username"),
        cluster.secret("registry-push", "password"),
    )


async def test_every_case(
    cluster: Demo, desk: Desk, registry: RegistryClient, tmp_path: Path
) -> None:
    with closing(InstalledAgent(cluster)) as agent:
        for case in CASES:
            carry_out(desk.root / "cases" / case.name, case.session)
        agent.save(desk, 1)
        for case in CASES:
            carry_out(desk.root / "cases" / case.name, case.late)
        result = agent.save(desk, 2)
    there = snapshot(desk.root, SKIPPED)
    digest = result["digest"]
    umoci = await unpacked_by_umoci(registry, REPOSITORY, digest, tmp_path / "umoci")
    reference = f"localhost:30500/{REPOSITORY}@{digest}"
    pulled = by_containerd(reference, login(cluster), tmp_path / "pulled")
    for who, got in (("umoci", umoci), ("containerd", pulled)):
        told = differences(there, snapshot(got, SKIPPED))
        assert not told, f"by {who}:\n" + "\n".join(told)
    # Every folder of every layer still takes files, renames and deletions.
    cluster.kubectl("exec", "cases", "--", "/bin/busybox", "sh", "-c", SCRIPT)


def by_containerd(reference: str, known: Credentials, folder: Path) -> Path:
    """What the node's containerd pulls and unpacks, copied."""
    settings = Settings.from_environment({})
    ctr = [str(settings.bin / "ctr"), "-a", str(settings.containerd_socket)]
    ctr += ["-n", "tests", "images"]
    user = f"{known.username}:{known.password}"

    def run(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    run(*ctr, "pull", "--local", "--plain-http", "--user", user, reference)
    folder.mkdir()
    run(*ctr, "mount", reference, str(folder))
    try:
        run("cp", "-a", f"{folder}/.", f"{folder}-copy")
    finally:
        run(*ctr, "unmount", str(folder))
        run(*ctr, "rm", "--sync", reference)
    return Path(f"{folder}-copy")
