"""The Job of a start-test: the chart's template with the version that is tried (pure)."""

import copy
from collections.abc import Mapping
from typing import Any

from hub_service.clients.workloads import JOB_LABEL

DESKTOP, TESTER = "desktop", "tester"
"""The containers: what is tried, and who looks at it."""


def job(
    template: Mapping[str, Any], *, id: str, run: str, token: str, image: str
) -> dict[str, Any]:
    """Return the Job; its pod is found by `run`, and no hub knows the token."""
    body = copy.deepcopy(dict(template))
    pod = body["spec"]["template"]
    label = {JOB_LABEL: run}
    body["metadata"]["name"] = f"start-test-{id}"
    for metadata in (body["metadata"], pod.setdefault("metadata", {})):
        metadata.setdefault("labels", {}).update(label)
    for container in pod["spec"]["containers"]:
        if container["name"] == DESKTOP:
            container["image"] = image
        secret = {"name": "JUPYTERHUB_API_TOKEN", "value": token}
        container.setdefault("env", []).append(secret)
    return body
