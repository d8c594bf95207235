"""The part of the Kubernetes API that hub_service uses, as a real server."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.fakes.http import JsonHandler, serving
from tests.fakes.kubernetes_config_maps import FakeConfigMaps
from tests.fakes.kubernetes_deployments import FakeDeployments
from tests.fakes.kubernetes_jobs import FakeWorkloads
from tests.fakes.kubernetes_reviews import FakeReviews
from tests.fakes.registry import FakeRegistry


class FakeKubernetes:
    """Pods, and what else is asked for; tests add and remove them while it runs."""

    def __init__(self) -> None:
        self.pods: list[dict[str, Any]] = []
        self.down = False
        self.workloads = FakeWorkloads()
        self.deployments = FakeDeployments()
        self.config_maps = FakeConfigMaps()
        self.reviews = FakeReviews()

    def add_session(
        self, user: str, name: str = "", *, image: str = "base", node: str = "n1"
    ) -> str:
        """Let the pod of a server run; return its uid."""
        notes = {"hub.jupyter.org/username": user, "hub.jupyter.org/servername": name}
        return self._add(
            {"component": "singleuser-server"}, notes, image, node, "10.0.0.9"
        )

    def add_notebook(
        self,
        namespace: str,
        name: str,
        *,
        pod: str = "",
        labels: dict[str, str] | None = None,
        image: str = "base",
    ) -> str:
        """Let the pod of a Notebook of Kubeflow's run, with a proxy beside it; return its uid."""
        written = {"notebook-name": name, "statefulset": name, **(labels or {})}
        uid = self._add(written, {}, image, "n1", "10.0.0.9")
        made = self.pods[-1]
        made["metadata"].update(name=pod or f"{name}-0", namespace=namespace)
        beside = {"name": "istio-proxy", "image": "proxy"}
        made["spec"]["containers"] = [{"name": name, "image": image}, beside]
        return uid

    def add_agent(self, address: str, node: str = "n1") -> None:
        """Let an agent run on a node; its pod has the address's IP."""
        labels = {
            "app.kubernetes.io/name": "desktops",
            "app.kubernetes.io/component": "snapshot-agent",
        }
        self._add(labels, {}, "agent", node, address)

    def add_registry(self, registry: FakeRegistry) -> None:
        """Let the registry run as a Deployment that follows its variables."""
        variables: dict[str, str] = {}
        self.deployments.variables["registry"] = {"registry": variables}

        def follow(name: str) -> None:
            wanted = variables.get("REGISTRY_STORAGE_MAINTENANCE_READONLY")
            registry.moods.read_only = wanted == "{enabled: true}"

        self.deployments.changed = follow

    def remove(self, uid: str) -> None:
        """Let a pod be gone."""
        self.pods = [pod for pod in self.pods if pod["metadata"]["uid"] != uid]

    def _add(
        self,
        labels: dict[str, str],
        notes: dict[str, str],
        image: str,
        node: str,
        ip: str,
    ) -> str:
        uid = str(uuid.uuid4())
        self.pods.append(
            {
                "metadata": {
                    "name": uid,
                    "namespace": "desktops",
                    "uid": uid,
                    "labels": labels,
                    "annotations": notes,
                },
                "spec": {
                    "nodeName": node,
                    "containers": [{"name": "notebook", "image": image}],
                },
                "status": {"phase": "Running", "podIP": ip},
            }
        )
        return uid

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve until the end of the block; give the address."""
        pods = ("/api/v1/namespaces/([^/]+)/pods", PodsHandler, {"fake": self})
        parts = (self.workloads, self.deployments, self.config_maps, self.reviews)
        routes = [pods, *(route for part in parts for route in part.routes())]
        async with serving(routes) as address:
            yield address


class PodsHandler(JsonHandler):
    """Pods."""

    fake: FakeKubernetes

    def get(self, namespace: str) -> None:
        """List those that both selectors choose."""
        if self.fake.down:
            self.answer(500, {"kind": "Status", "status": "Failure"})
            return
        labels = _pairs(self.get_query_argument("labelSelector", ""))
        fields = dict(_pairs(self.get_query_argument("fieldSelector", "")))
        node = fields.get("spec.nodeName")
        builds = [one.to_pod() for one in self.fake.workloads.builds.values()]
        items = [
            pod
            for pod in [*self.fake.pods, *builds]
            if pod["metadata"].get("namespace", "desktops") == namespace
            and all(_chosen(pod["metadata"]["labels"], *one) for one in labels)
            and (node is None or pod["spec"]["nodeName"] == node)
        ]
        self.answer(
            200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        )


def _chosen(labels: dict[str, str], name: str, value: str | None = None) -> bool:
    """Say whether a label is there, and has the value if one is asked for."""
    return name in labels and value in (None, labels[name])


def _pairs(selector: str) -> list[list[str]]:
    return [pair.split("=", 1) for pair in selector.split(",") if pair]
