"""What hub_service uses of the Kubernetes API for Deployments, beside kubernetes_api.py."""

from collections.abc import Callable
from typing import Any

from tests.fakes.http import JsonHandler

MERGE = "application/strategic-merge-patch+json"


class FakeDeployments:
    """The variables of Deployments' containers: what a test adds and hub_service changes."""

    def __init__(self) -> None:
        self.variables: dict[str, dict[str, dict[str, str]]] = {}
        """Deployment -> container -> its environment."""
        self.changed: Callable[[str], None] = lambda name: None
        """Called after a change: a test lets the program follow its variables."""
        self.settled = True

    def routes(self) -> list[Any]:
        """Return what the API server serves of it."""
        path = "/apis/apps/v1/namespaces/desktops/deployments/([^/]+)"
        return [(path, DeploymentHandler, {"fake": self})]


class DeploymentHandler(JsonHandler):
    """One Deployment."""

    fake: FakeDeployments

    def get(self, name: str) -> None:
        """Read."""
        if name not in self.fake.variables:
            return self.answer(404, {"kind": "Status", "reason": "NotFound"})
        self.answer(200, self._view(name))

    def patch(self, name: str) -> None:
        """Change variables, as a strategic merge does: by their names."""
        if self.request.headers["Content-Type"] != MERGE:
            return self.answer(
                415, {"kind": "Status", "reason": "UnsupportedMediaType"}
            )
        if name not in self.fake.variables:
            return self.answer(404, {"kind": "Status", "reason": "NotFound"})
        for container in self.body["spec"]["template"]["spec"]["containers"]:
            variables = self.fake.variables[name][container["name"]]
            for entry in container["env"]:
                if entry.get("$patch") == "delete":
                    variables.pop(entry["name"], None)
                else:
                    variables[entry["name"]] = entry["value"]
        self.fake.changed(name)
        self.answer(200, self._view(name))

    def _view(self, name: str) -> dict[str, Any]:
        updated = 1 if self.fake.settled else 0
        containers = [
            {"name": one, "env": [{"name": k, "value": v} for k, v in env.items()]}
            for one, env in self.fake.variables[name].items()
        ]
        return {
            "metadata": {"name": name, "generation": 2},
            "spec": {
                "replicas": 1,
                "selector": {},
                "template": {"spec": {"containers": containers}},
            },
            "status": {
                "observedGeneration": 2,
                "replicas": 1,
                "updatedReplicas": updated,
                "availableReplicas": updated,
            },
        }
