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
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]
            assert container["resources"]["limits"]["memory"]
            if container["name"] == "capture":
                wanted = ["SYS_ADMIN", "DAC_READ_SEARCH"]
                assert security["capabilities"]["add"] == wanted
            else:
                given = spec.get("securityContext", {}) | security
                assert given["runAsNonRoot"] is True
                assert "add" not in security["capabilities"]
        assert not spec.get("hostNetwork") and not spec.get("hostPID")
        if name != "snapshot-agent":
            assert not [volume for volume in spec["volumes"] if "hostPath" in volume]


def mounts_of(spec: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return the mounts of a container by the name of their volume."""
    [container] = [one for one in spec["containers"] if one["name"] == name]
    return {one["name"]: one for one in container["volumeMounts"]}


def test_the_agent_reads_the_layers_of_the_node_and_changes_none(
    render: Render,
) -> None:
    spec = pods(render())["snapshot-agent"]
    mounts = mounts_of(spec, "capture")
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert mounts["snapshotter"]["readOnly"] is True
    # The kernel's paths of the layers must mean the same in the pod as on the node.
    assert (
        mounts["snapshotter"]["mountPath"] == volumes["snapshotter"]["hostPath"]["path"]
    )


@pytest.mark.parametrize("values", [{}, EVERYTHING])
def test_neither_half_of_the_agent_has_what_is_the_others(
    render: Render, values: dict[str, Any]
) -> None:
    spec = pods(render(values))["snapshot-agent"]
    assert spec["automountServiceAccountToken"] is False
    api, capture = mounts_of(spec, "api"), mounts_of(spec, "capture")
    hosts = {one["name"] for one in spec["volumes"] if "hostPath" in one}
    assert hosts == {"containerd", "snapshotter", "state"}
    assert hosts <= set(capture) and not hosts & set(api)
    assert {"registry-auth", "token"} <= set(api)
    assert not {"registry-auth", "token"} & set(capture)
    # Who has the network cannot put anything where the other half writes as root.
    for name in set(api) & set(capture):
        assert api[name]["readOnly"] is True, name


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
    assert objects["Secret", "hub-service-database"]["stringData"]["url"] == url
    assert database_of(objects) == "hub-service-database"
    # The URL holds the password.
    for (kind, _), content in objects.items():
        assert kind == "Secret" or url not in json.dumps(content)


def test_the_databases_url_may_be_in_a_secret_of_ones_own(render: Render) -> None:
    objects = render({"hubService": {"databaseSecret": "ours"}})
    assert ("PersistentVolumeClaim", "hub-service") not in objects
    assert database_of(objects) == "ours"


def database_of(objects: Objects) -> str:
    """Return the Secret from which hub_service gets its database."""
    environment = pods(objects)["hub-service"]["containers"][0]["env"]
    [entry] = [one for one in environment if one["name"] == "DATABASE_URL"]
    return str(entry["valueFrom"]["secretKeyRef"]["name"])


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


def test_kubeflows_form_is_one_config_map_that_may_be_changed(render: Render) -> None:
    objects = render({"kubeflow": {"namespace": "kubeflow"}})
    roles = [
        one
        for (kind, _), one in objects.items()
        if kind == "Role" and one["metadata"].get("namespace") == "kubeflow"
    ]
    [rule] = [rule for role in roles for rule in role["rules"]]
    assert rule["resourceNames"] == ["jupyter-web-app-config"]
    assert rule["verbs"] == ["get", "patch"]


def start_test(objects: Objects) -> dict[str, Any]:
    """Return the pod of a start-test."""
    files = objects["ConfigMap", "hub-service"]["data"]
    job = json.loads(files["start-test.json"])
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("values", [{}, EVERYTHING])
def test_what_is_tried_has_no_privilege_and_nothing_of_anybody(
    render: Render, values: dict[str, Any]
) -> None:
    pod = start_test(render(values))
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["activeDeadlineSeconds"] == 600
    assert {"name": "registry-pull"} in pod["imagePullSecrets"]
    assert [one["name"] for one in pod["containers"]] == ["desktop", "tester"]
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        # Every variable is written out: none comes from a Secret, or from the hub.
        assert all("value" in one for one in container["env"])
        names = {one["name"] for one in container["env"]}
        assert "JUPYTERHUB_API_TOKEN" not in names
    volumes = pod.get("volumes", [])
    assert [one["name"] for one in volumes] == (["ca-bundle"] if values else [])


def test_a_hub_without_start_tests_or_builds_makes_no_jobs(render: Render) -> None:
    off = {"startTests": {"enabled": False}}
    objects = render(off)
    files = objects["ConfigMap", "hub-service"]["data"]
    assert "start-test.json" not in files
    assert ("NetworkPolicy", "start-tests") not in objects
    settings = json.loads(files["config.json"])["HubService"]
    assert settings["start_test_template_file"] == ""

    def may(objects: Objects) -> set[str]:
        rules = objects["Role", "hub-service"]["rules"]
        return {one for rule in rules for one in rule["resources"]}

    tests_only = render({"builds": {"enabled": False}})
    assert may(tests_only) == {"pods", "jobs", "pods/log", "deployments"}
    without = {**off, "builds": {"enabled": False}, "registry": {"enabled": False}}
    assert may(render(without)) == {"pods"}


def test_the_service_knows_the_titles_of_the_base_images(render: Render) -> None:
    text = render(EVERYTHING)["ConfigMap", "hub-service"]["data"]["config.json"]
    settings = json.loads(text)["HubService"]
    assert settings["build_bases"] == {"base": "example.org/base:1"}
    assert settings["build_titles"] == {"base": "Base"}


def test_what_an_administrator_leaves_out_reaches_the_agent(render: Render) -> None:
    chosen = {"leaveOut": ["/srv/keys", "~/.mytool/*.pem"], "keep": ["~/.npmrc"]}
    objects = render({"snapshotAgent": chosen})
    text = objects["ConfigMap", "snapshot-agent"]["data"]["config.json"]
    agent = json.loads(text)["SnapshotAgent"]
    assert (agent["leave_out"], agent["keep"]) == tuple(chosen.values())
