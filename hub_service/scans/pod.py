"""The Job of a scan: the chart's template with the version that is scanned (pure)."""

import copy
from collections.abc import Mapping
from typing import Any

from hub_service.clients.workloads import JOB_LABEL

FETCH, DATABASE, SCAN = "fetch", "database", "scan"
"""The containers, in the order in which they run; the first alone learns what is fetched."""


def job(
    template: Mapping[str, Any], *, id: str, run: str, image: str
) -> dict[str, Any]:
    """Return the Job, whose pod is found by `run`."""
    body = copy.deepcopy(dict(template))
    pod = body["spec"]["template"]
    body["metadata"]["name"] = f"scan-{id}"
    for metadata in (body["metadata"], pod.setdefault("metadata", {})):
        metadata.setdefault("labels", {}).update({JOB_LABEL: run})
    for container in pod["spec"]["initContainers"]:
        if container["name"] == FETCH:
            reference = {"name": "REFERENCE", "value": image}
            container.setdefault("env", []).append(reference)
    return body
