"""Namespaces of the real cluster, for what is tried on it and on a fake."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from devcluster.image import pause_image_name
from devcluster.settings import NODE_NAME, Settings


class RealNamespace:
    """A namespace of the real cluster, with pods that do nothing."""

    def __init__(self, kubeconfig: Path, pause: str) -> None:
        self.name = f"conformance-{uuid.uuid4().hex[:6]}"
        self.kubeconfig = kubeconfig
        self.pause = pause

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self) -> None:
        self.kubectl("create", "namespace", self.name)

    def delete(self) -> None:
        self.kubectl("delete", "namespace", self.name, "--wait=false")

    def add(self, labels: dict[str, str], notes: dict[str, str]) -> str:
        """Run a pod and return its uid."""
        name = f"pod-{uuid.uuid4().hex[:6]}"
        container = {
            "name": "notebook",
            "image": self.pause,
            "imagePullPolicy": "Never",
        }
        metadata = {
            "name": name,
            "namespace": self.name,
            "labels": labels,
            "annotations": notes,
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {
                "nodeName": NODE_NAME,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
            },
        }
        # Created as soon as the namespace has its service account.
        place = f"--namespace={self.name}"
        self.kubectl(
            "wait",
            "--for=create",
            "serviceaccount/default",
            place,
            "--timeout=60s",
        )
        self.kubectl("create", "-f", "-", text=json.dumps(pod))
        self.kubectl(
            "wait", "--for=condition=Ready", f"pod/{name}", place, "--timeout=60s"
        )
        return self.kubectl("get", "pod", name, place, "-o=jsonpath={.metadata.uid}")

    def remove(self, uid: str) -> None:
        """Let a pod be gone."""
        place = f"--namespace={self.name}"
        pods = json.loads(self.kubectl("get", "pods", place, "-o=json"))["items"]
        for pod in pods:
            if pod["metadata"]["uid"] == uid:
                self.kubectl("delete", "pod", pod["metadata"]["name"], place)


def real_namespace(stack: AsyncExitStack) -> RealNamespace:
    """Make one that is deleted at the end; the test is skipped where there is no cluster."""
    settings = Settings.from_environment({})
    if not settings.kubeconfig.exists() or not shutil.which("kubectl"):
        pytest.skip("needs the real cluster: run make test, which brings it up")
    pause = pause_image_name((settings.bin / "pause").read_bytes())
    namespace = RealNamespace(settings.kubeconfig, pause)
    try:
        namespace.create()
    except AssertionError as error:
        pytest.skip(f"the cluster does not answer: make test brings it up ({error})")
    stack.callback(namespace.delete)
    return namespace
