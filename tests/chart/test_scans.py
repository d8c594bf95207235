"""What the chart makes of scans, and of what pipelines publish."""

import json
from typing import Any

import pytest

from tests.chart.conftest import Objects, Render

URL = "https://grype.example.org/databases/v6/latest.json"
ON: dict[str, Any] = {"enabled": True, "databaseUrl": URL}
WAIVER = "CVE-2026-1 until 2027-01-31, not reachable"


def pod_of(objects: Objects) -> dict[str, Any]:
    """Return the pod of a scan."""
    job = json.loads(objects["ConfigMap", "hub-service"]["data"]["scan.json"])
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    return pod


def settings_of(objects: Objects) -> dict[str, Any]:
    """Return hub_service's settings."""
    text = objects["ConfigMap", "hub-service"]["data"]["config.json"]
    found: dict[str, Any] = json.loads(text)["HubService"]
    return found


def containers_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["initContainers"], *pod["containers"]]


def variables_of(container: dict[str, Any]) -> dict[str, str]:
    # Every variable is written out: none comes from a Secret.
    return {one["name"]: one["value"] for one in container.get("env", [])}


@pytest.mark.parametrize("ca", ["", "-----BEGIN CERTIFICATE-----"])
def test_a_scan_has_no_privilege_and_one_step_alone_a_credential(
    render: Render, ca: str
) -> None:
    pod = pod_of(render({"scans": ON, "extraCaBundle": ca}))
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["activeDeadlineSeconds"] == 1800
    every = containers_of(pod)
    assert [one["name"] for one in every] == ["fetch", "database", "scan"]
    for container in every:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        mounts = {one["name"] for one in container["volumeMounts"]}
        assert ("pull" in mounts) == (container["name"] == "fetch")
        assert ("REGISTRY_URL" in variables_of(container)) == ("pull" in mounts)
    volumes = {one["name"]: one for one in pod["volumes"]}
    # What the nodes pull with, not what pushes.
    assert volumes["pull"]["secret"]["secretName"] == "registry-pull"
    assert volumes["work"]["emptyDir"] == {"sizeLimit": "40Gi"}
    assert "registry-push" not in json.dumps(pod)


def test_a_database_comes_by_its_address_or_in_a_volume(render: Render) -> None:
    for container in containers_of(pod_of(render({"scans": ON})))[1:]:
        variables = variables_of(container)
        assert variables["DATABASE_URL"] == URL
        assert variables["DATABASE"] == "/work/database"
    pod = pod_of(render({"scans": {"enabled": True, "databaseClaim": "grype"}}))
    for container in containers_of(pod)[1:]:
        variables = variables_of(container)
        assert (variables["DATABASE"], variables["DATABASE_URL"]) == ("/database", "")
        [mount] = [
            one for one in container["volumeMounts"] if one["name"] == "database"
        ]
        assert mount["readOnly"] is True
    [claim] = [one for one in pod["volumes"] if one["name"] == "database"]
    assert claim["persistentVolumeClaim"] == {"claimName": "grype", "readOnly": True}


def test_scans_are_off_and_need_a_database(render: Render) -> None:
    objects = render({})
    assert "scan.json" not in objects["ConfigMap", "hub-service"]["data"]
    assert settings_of(objects)["scan_template_file"] == ""
    assert ("NetworkPolicy", "scans") not in objects
    with pytest.raises(ValueError, match="scans.databaseUrl or scans.databaseClaim"):
        render({"scans": {"enabled": True}})


def test_the_policy_reaches_hub_service(render: Render) -> None:
    scans = {**ON, "block": "critical", "exceptions": [WAIVER], "everyHours": 6}
    objects = render({"scans": {**scans, "networks": ["10.9.0.0/16"]}})
    settings = settings_of(objects)
    assert settings["scan_block"] == "critical"
    assert settings["scan_exceptions"] == [WAIVER]
    assert settings["scan_every_hours"] == 6
    policy = objects["NetworkPolicy", "scans"]["spec"]
    assert policy["ingress"] == []
    assert policy["egress"][-1] == {"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"block": "terrible"},
        {"exceptions": ["CVE-2026-1"]},
        {"exceptions": ["CVE-2026-1 until tomorrow, why not"]},
        {"databaseUrl": "ftp://example.org"},
    ],
)
def test_a_policy_that_is_none_is_refused(render: Render, wrong: Any) -> None:
    with pytest.raises(ValueError, match="scans"):
        render({"scans": {**ON, **wrong}})


def test_a_robot_has_a_token_where_something_may_be_published(render: Render) -> None:
    def names(objects: Objects) -> set[str]:
        spec = objects["Deployment", "hub"]["spec"]["template"]["spec"]
        return {one["name"] for one in spec["containers"][0]["env"]}

    without = render({})
    assert "robot-token" not in without["Secret", "desktops-tokens"]["stringData"]
    assert "DESKTOPS_ROBOT_TOKEN" not in names(without)
    objects = render({"publishing": {"registries": ["ghcr.io/our-team"]}})
    assert len(objects["Secret", "desktops-tokens"]["stringData"]["robot-token"]) == 48
    assert "DESKTOPS_ROBOT_TOKEN" in names(objects)
    settings = settings_of(objects)
    assert settings["publish_registries"] == ["ghcr.io/our-team"]
    assert settings["publish_owner"] == "hub"
