"""The Job of a build: the chart's template with what this one build needs (pure)."""

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

from hub_service.clients.workloads import JOB_LABEL
from oci.names import slug

STEPS = ("fetch", "guard", "build", "push")
"""The containers, in the order in which they run."""
NAME_LENGTH = 48
"""Kubernetes adds to a Job's name for its pods; a label holds 63."""


def lock_name(owner: str) -> str:
    """Return the name of a person's builds' Job, which is the lock on their cache.

    Different for every person, whatever their name: a long one keeps its start and gets a hash
    of the whole, behind two dashes that no plain name holds.
    """
    name = slug(owner)
    if len(name) > NAME_LENGTH:
        name = f"{name[:20].rstrip('-')}--{hashlib.sha256(owner.encode()).hexdigest()[:24]}"
    return f"build-{name}"


def claim(template: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return the volume claim of a person's cache."""
    body = copy.deepcopy(dict(template))
    body["metadata"]["name"] = lock_name(owner)
    return body


def job(
    template: Mapping[str, Any],
    *,
    id: str,
    owner: str,
    environment: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Return the Job; `environment` is what each container gets besides the template's.

    A step that gets nothing has nothing to do and is left out: each costs a second.
    """
    body = copy.deepcopy(dict(template))
    name = lock_name(owner)
    label = {JOB_LABEL: id}
    body["metadata"]["name"] = name
    pod = body["spec"]["template"]
    for metadata in (body["metadata"], pod.setdefault("metadata", {})):
        metadata.setdefault("labels", {}).update(label)
    pod["spec"]["initContainers"] = [
        one
        for one in pod["spec"]["initContainers"]
        if environment.get(one["name"]) != {}
    ]
    for container in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]:
        own = environment.get(container["name"], {})
        container.setdefault("env", []).extend(
            {"name": key, "value": value} for key, value in own.items()
        )
    for volume in pod["spec"]["volumes"]:
        if volume["name"] == "config":
            volume["configMap"] = {"name": name}
        elif volume["name"] == "cache":
            volume["persistentVolumeClaim"] = {"claimName": name}
    return body
