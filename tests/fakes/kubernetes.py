"""A small Kubernetes API server: token reviews, and the pods of one node."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class FakePod:
    """A pod as the fake keeps it."""

    uid: str
    owner: str = "alice"
    namespace: str = "desktops"
    node: str = "node-1"
    labels: dict[str, str] = field(
        default_factory=lambda: {"component": "singleuser-server"}
    )
    # Container name -> containerd's id.
    containers: dict[str, str] = field(default_factory=dict)
    running: bool = True

    def to_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {"running": {}} if self.running else {"waiting": {}}
        return {
            "metadata": {
                "name": f"jupyter-{self.uid}",
                "namespace": self.namespace,
                "uid": self.uid,
                "labels": self.labels,
                "annotations": {"hub.jupyter.org/username": self.owner},
            },
            "spec": {"containers": [{"name": name} for name in self.containers]},
            "status": {
                "phase": "Running",
                "containerStatuses": [
                    {
                        "name": name,
                        "containerID": f"containerd://{container_id}",
                        "image": "image",
                        "imageID": "",
                        "ready": True,
                        "restartCount": 0,
                        "state": state,
                    }
                    for name, container_id in self.containers.items()
                ],
            },
        }


class FakeKubernetes:
    """`with FakeKubernetes() as kubernetes:` answers on `url` until the end of the block."""

    def __init__(self) -> None:
        self.pods: list[FakePod] = []
        # Token -> (user name, audiences).
        self.tokens: dict[str, tuple[str, list[str]]] = {}
        self.reviews = 0
        fake = self

        class Handler(_Handler):
            kubernetes = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for this server."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [
                {"name": "fake", "context": {"cluster": "fake", "user": "fake"}}
            ],
        }
        path.write_text(json.dumps(content))
        return path

    def __enter__(self) -> FakeKubernetes:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    kubernetes: FakeKubernetes
    protocol_version = "HTTP/1.1"
    timeout = 5

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path != "/apis/authentication.k8s.io/v1/tokenreviews":
            return self._answer(404, {})
        self.kubernetes.reviews += 1
        known = self.kubernetes.tokens.get(body["spec"]["token"])
        status: dict[str, Any] = {"authenticated": False}
        if known is not None:
            shared = [one for one in body["spec"]["audiences"] if one in known[1]]
            if shared:
                user = {"username": known[0]}
                status = {"authenticated": True, "user": user, "audiences": shared}
        self._answer(
            201, {"kind": "TokenReview", "spec": body["spec"], "status": status}
        )

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        pieces = parts.path.split("/")
        if pieces[:4] != ["", "api", "v1", "namespaces"] or pieces[5:] != ["pods"]:
            return self._answer(404, {})
        node = query.get("fieldSelector", "").removeprefix("spec.nodeName=")
        key, equals, value = query.get("labelSelector", "").partition("=")
        items = [
            pod.to_dict()
            for pod in self.kubernetes.pods
            if pod.namespace == pieces[4]
            and pod.node == node
            and key in pod.labels
            and (not equals or pod.labels[key] == value)
        ]
        self._answer(200, {"kind": "PodList", "metadata": {}, "items": items})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
