"""What hub_service uses of the Kubernetes API for others' ConfigMaps: read, and apply."""

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http import JsonHandler


@dataclass
class FakeConfigMap:
    """One ConfigMap: its data, and how often it was changed."""

    data: dict[str, str]
    version: int = 1
    managers: list[str] = field(default_factory=list)


class FakeConfigMaps:
    """The ConfigMaps of the namespace kubeflow; a test adds and changes them."""

    def __init__(self) -> None:
        self.known: dict[str, FakeConfigMap] = {}

    def routes(self) -> list[Any]:
        """Return what the API server serves of it."""
        path = "/api/v1/namespaces/kubeflow/configmaps/([^/]+)"
        return [(path, ConfigMapHandler, {"fake": self})]


class ConfigMapHandler(JsonHandler):
    """One ConfigMap."""

    fake: FakeConfigMaps

    def get(self, name: str) -> None:
        """Read."""
        found = self.fake.known.get(name)
        if found is None:
            return self.answer(404, {"kind": "Status", "reason": "NotFound"})
        self.answer(200, _view(name, found))

    def patch(self, name: str) -> None:
        """Apply on the server; 409 when it was changed since."""
        if self.request.headers["Content-Type"] != "application/apply-patch+yaml":
            return self.answer(415, {"kind": "Status"})
        found = self.fake.known[name]
        if self.body["metadata"]["resourceVersion"] != str(found.version):
            return self.answer(409, {"kind": "Status", "reason": "Conflict"})
        found.data.update(self.body["data"])
        found.version += 1
        found.managers.append(self.get_query_argument("fieldManager"))
        self.answer(200, _view(name, found))


def _view(name: str, found: FakeConfigMap) -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": str(found.version)}
    return {"metadata": metadata, "data": found.data}
