"""Other programs' ConfigMaps: one key of one of them is ours to change."""

from dataclasses import dataclass
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from hub_service.clients.kube import TIMEOUT
from hub_service.clients.workloads import translated
from hub_service.errors import NotFound, sentence

APPLY = "application/apply-patch+yaml"
MANAGER = "jupyterhub-desktops"


@dataclass(frozen=True)
class Text:
    """A key's text, and the version of the ConfigMap that it was read from."""

    text: str
    version: str


class ConfigMaps:
    """ConfigMaps of one namespace."""

    def __init__(self, api: client.ApiClient, *, namespace: str) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace = namespace

    async def read(self, name: str, key: str) -> Text:
        """Return a key's text, or raise NotFound."""
        try:
            with translated(but=404):
                found: Any = await self._core.read_namespaced_config_map(
                    name, self._namespace, _request_timeout=TIMEOUT
                )
        except ApiException as error:
            raise self._missing(name, key) from error
        if key not in (found.data or {}):
            raise self._missing(name, key)
        return Text(found.data[key], found.metadata.resource_version)

    async def apply(self, name: str, key: str, new: Text) -> bool:
        """Apply a key's text on the server, so that no other key is touched.

        False when somebody changed the ConfigMap since `new.version`.
        """
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "resourceVersion": new.version},
            "data": {key: new.text},
        }
        try:
            with translated(but=409):
                await self._core.patch_namespaced_config_map(
                    name,
                    self._namespace,
                    body,
                    field_manager=MANAGER,
                    # The key was written by whoever installed Kubeflow.
                    force=True,
                    _content_type=APPLY,
                    _request_timeout=TIMEOUT,
                )
        except ApiException:
            return False
        return True

    def _missing(self, name: str, key: str) -> NotFound:
        return NotFound(
            "kubeflow_missing",
            sentence(
                "There is no ConfigMap {name} with {key} in {namespace}. Nothing was changed."
            ),
            name=name,
            key=key,
            namespace=self._namespace,
        )
