"""What the chart makes of its values, and what its schema refuses."""

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from snapshot_agent.room import quantity
from tests.chart.conftest import CHART, Objects, Render

EVERYTHING: dict[str, Any] = {
    "extraCaBundle": "-----BEGIN CERTIFICATE-----",
    "imagePullSecrets": [{"name": "programs"}],
    "hub": {
        "publicUrl": "https://hub.example.org/",
        "service": {"type": "LoadBalancer"},
    },
    "desktops": {
        "baseImages": [
            {"slug": "base", "title": "Base", "image": "example.org/base:1"}
        ],
        "home": {"storageClass": "fast"},
    },
    "snapshotAgent": {
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"a": "b"},
    },
}


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    """Return the pod specs by the name of what makes them."""
    kinds = ("Deployment", "DaemonSet")
    return {
        name: one["spec"]["template"]["spec"]
        for (kind, name), one in objects.items()
        if kind in kinds
    }


@pytest.mark.parametrize("values", [{}, EVERYTHING])
def test_no_program_but_the_agent_has_any_privilege(
    render: Render, values: dict[str, Any]
) -> None:
    specs = pods(render(values))
    assert set(specs) == {"hub", "proxy", "hub-service", "registry", "snapshot-agent"}
    for name, spec in specs.items():
        [container] = spec["containers"]
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        assert not spec.get("hostNetwork") and not spec.get("hostPID")
        assert container["resources"]["limits"]["memory"]
        if name == "snapshot-agent":
            assert security["capabilities"]["add"] == ["SYS_ADMIN", "DAC_READ_SEARCH"]
        else:
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert "add" not in security["capabilities"]
            assert not [volume for volume in spec["volumes"] if "hostPath" in volume]


def test_the_agent_reads_the_layers_of_the_node_and_changes_none(
    render: Render,
) -> None:
    spec = pods(render())["snapshot-agent"]
    mounts = {one["name"]: one for one in spec["containers"][0]["volumeMounts"]}
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert mounts["snapshotter"]["readOnly"] is True
    # The kernel's paths of the layers must mean the same in the pod as on the node.
    assert (
        mounts["snapshotter"]["mountPath"] == volumes["snapshotter"]["hostPath"]["path"]
    )


@pytest.mark.parametrize("size", ["20Gi", "1.5Gi"])
def test_the_agent_knows_the_size_limit_of_its_spool(render: Render, size: str) -> None:
    objects = render({"snapshotAgent": {"spoolSize": size}})
    volumes = {one["name"]: one for one in pods(objects)["snapshot-agent"]["volumes"]}
    assert volumes["spool"]["emptyDir"]["sizeLimit"] == size
    config = objects["ConfigMap", "snapshot-agent"]["data"]["config.json"]
    limit = json.loads(config)["SnapshotAgent"]["spool_limit"]
    assert limit == size and quantity(limit) > 0


def test_the_ca_bundle_reaches_programs_and_desktops(render: Render) -> None:
    objects = render({"extraCaBundle": "CERTIFICATES"})
    assert (
        objects["ConfigMap", "extra-ca-bundle"]["data"]["ca-certificates.crt"]
        == "CERTIFICATES"
    )
    for name in ("hub", "hub-service", "snapshot-agent"):
        environment = pods(objects)[name]["containers"][0]["env"]
        variables = {one["name"]: one.get("value") for one in environment}
        assert variables["SSL_CERT_FILE"] == "/etc/desktops/ca/ca-certificates.crt"
    config = json.loads(objects["Secret", "hub-config"]["stringData"]["config.json"])
    assert config["DesktopSpawner"]["environment"]["PIP_CERT"].startswith(
        "/etc/desktops/ca/"
    )
    assert config["DesktopSpawner"]["volumes"][0]["name"] == "ca-bundle"


def test_a_hub_of_ones_own_leaves_out_the_small_one(render: Render) -> None:
    external = {"hubApiUrl": "http://hub.jhub:8081/hub/api", "tokenSecret": "hub-token"}
    objects = render({"hub": {"enabled": False}, "hubService": {"external": external}})
    assert set(pods(objects)) == {"hub-service", "registry", "snapshot-agent"}
    environment = pods(objects)["hub-service"]["containers"][0]["env"]
    [url] = [one["value"] for one in environment if one["name"] == "JUPYTERHUB_API_URL"]
    assert url == "http://hub.jhub:8081/hub/api"


def test_postgresql_needs_no_volume(render: Render) -> None:
    url = "postgresql+psycopg://u:p@db/desktops"
    objects = render({"hubService": {"databaseUrl": url}})
    assert ("PersistentVolumeClaim", "hub-service") not in objects
    assert url in objects["ConfigMap", "hub-service"]["data"]["config.json"]


def test_a_registry_of_ones_own_leaves_out_the_charts(render: Render) -> None:
    registry = {
        "enabled": False,
        "host": "registry.example.org",
        "url": "https://registry.example.org",
        "credentialsSecret": "push",
        "pullSecret": "pull",
    }
    objects = render({"registry": registry})
    assert "registry" not in pods(objects)
    config = json.loads(objects["Secret", "hub-config"]["stringData"]["config.json"])
    assert config["DesktopSpawner"]["image_pull_secrets"] == ["pull"]


def test_saved_desktops_outlive_the_chart(render: Render) -> None:
    claim = render()["PersistentVolumeClaim", "registry"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


@pytest.mark.parametrize(
    "values",
    [
        {"hub": {"imagee": "x"}},
        {"registry": {"nodePort": 80}},
        {"desktops": {"baseImages": [{"slug": "a b", "title": "x", "image": "y"}]}},
        {"snapshotAgent": {"containerdSocket": "relative"}},
        {"unknown": 1},
    ],
)
def test_a_value_that_is_none_is_refused(
    render: Render, values: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="schema"):
        render(values)


def test_the_schema_is_valid_closed_and_described() -> None:
    schema = yaml.safe_load((CHART / "values.schema.yaml").read_text())
    Draft202012Validator.check_schema(schema)

    def walk(node: dict[str, Any], place: str) -> None:
        if "$ref" in node:
            return
        if place:
            assert node.get("description") or place == "hub.service", place
        if node.get("properties"):
            assert node.get("additionalProperties") is False, place
        for name, child in node.get("properties", {}).items():
            walk(child, f"{place}.{name}".lstrip("."))
        if isinstance(node.get("items"), dict) and node["items"].get("properties"):
            walk({**node["items"], "description": "an item"}, f"{place}[]")

    walk(schema, "")
    Draft202012Validator(schema).validate(
        yaml.safe_load((CHART / "values.yaml").read_text())
    )


def test_every_value_of_the_schema_has_a_default() -> None:
    schema = yaml.safe_load((CHART / "values.schema.yaml").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def missing(node: dict[str, Any], given: dict[str, Any], place: str) -> list[str]:
        found = []
        for name, child in node.get("properties", {}).items():
            if name not in given:
                found.append(f"{place}{name}")
            elif child.get("properties") and isinstance(given[name], dict):
                found += missing(child, given[name], f"{place}{name}.")
        return found

    assert missing(schema, values, "") == []


def test_the_json_schema_is_made_from_the_one_people_read() -> None:
    script = CHART.parents[1] / "scripts" / "generate-values-schema"
    before = (CHART / "values.schema.json").read_text()
    subprocess.run([sys.executable, str(script)], check=True)
    assert (CHART / "values.schema.json").read_text() == before
