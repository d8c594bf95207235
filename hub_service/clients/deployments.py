"""The programs of the chart that hub_service gives another setting for a while."""

from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from hub_service.clients.kube import TIMEOUT
from hub_service.clients.workloads import translated

MERGE = "application/strategic-merge-patch+json"


class Deployments:
    """Deployments of one namespace."""

    def __init__(self, api: client.ApiClient, *, namespace: str) -> None:
        self._apps = client.AppsV1Api(api)
        self._namespace = namespace

    async def set_variable(
        self, name: str, container: str, variable: str, value: str | None
    ) -> None:
        """Give a container a variable, or take it away (None); asked twice, nothing more happens.

        The Deployment replaces its pods when something changed: ask `settled` whether it has.
        """
        entry: dict[str, Any] = {"name": variable, "value": value}
        if value is None:
            entry = {"name": variable, "$patch": "delete"}
        containers = [{"name": container, "env": [entry]}]
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        with translated():
            await self._apps.patch_namespaced_deployment(
                name,
                self._namespace,
                body,
                _content_type=MERGE,
                _request_timeout=TIMEOUT,
            )

    async def variable(self, name: str, container: str, variable: str) -> str | None:
        """Return a container's variable; None when it, or the Deployment, is not there."""
        try:
            with translated(but=404):
                found: Any = await self._apps.read_namespaced_deployment(
                    name, self._namespace, _request_timeout=TIMEOUT
                )
        except ApiException:
            return None
        for one in found.spec.template.spec.containers:
            if one.name == container:
                values = {entry.name: entry.value for entry in one.env or ()}
                return values.get(variable)
        return None

    async def settled(self, name: str) -> bool:
        """Say whether all pods of a Deployment are of its newest kind, and ready."""
        with translated():
            found: Any = await self._apps.read_namespaced_deployment(
                name, self._namespace, _request_timeout=TIMEOUT
            )
        status, wanted = found.status, found.spec.replicas
        return bool(
            (status.observed_generation or 0) >= found.metadata.generation
            and (status.updated_replicas or 0) == wanted
            and (status.replicas or 0) == wanted
            and (status.available_replicas or 0) == wanted
        )
