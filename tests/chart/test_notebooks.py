"""The chart in a Kubeflow: Notebooks are the desktops, and its gateway says who people are."""

import json
from typing import Any

import pytest

from tests.chart.conftest import Objects, Render

VALUES: dict[str, Any] = {
    "hub": {"enabled": False},
    "hubService": {"auth": "kubeflow"},
    "kubeflow": {
        "notebooks": {
            "namespaces": ["team", "other"],
            "admins": ["root@example.com"],
            "gatewayNamespace": "mesh",
        }
    },
}


def config(objects: Objects, name: str, program: str) -> dict[str, Any]:
    """Return the configuration of a program."""
    data = objects["ConfigMap", name]["data"]["config.json"]
    return dict(json.loads(data)[program])


def environment(objects: Objects) -> set[str]:
    """Return the names of hub_service's variables."""
    spec = objects["Deployment", "hub-service"]["spec"]["template"]["spec"]
    return {one["name"] for one in spec["containers"][0]["env"]}


def test_both_programs_look_at_notebooks_alone(render: Render) -> None:
    objects = render(VALUES)
    service = config(objects, "hub-service", "HubService")
    assert service["auth"] == "kubeflow"
    assert service["kubeflow_notebook_namespaces"] == ["team", "other"]
    assert service["kubeflow_admins"] == ["root@example.com"]
    agent = config(objects, "snapshot-agent", "SnapshotAgent")
    known = ("namespaces", "session_selector", "owner_annotation")
    assert [agent[key] for key in known] == [["team", "other"], "notebook-name", ""]


def test_the_gateways_secret_is_in_a_secret(render: Render) -> None:
    objects = render(VALUES)
    secret = objects["Secret", "desktops-tokens"]["stringData"]["gateway-secret"]
    assert len(secret) >= 32
    for (kind, _), content in objects.items():
        assert kind == "Secret" or secret not in json.dumps(content)
    found = environment(objects)
    assert "GATEWAY_SECRET" in found
    assert not {name for name in found if name.startswith("JUPYTERHUB_")}


def test_what_may_be_asked_of_the_cluster(render: Render) -> None:
    objects = render(VALUES)
    rules = objects["ClusterRole", "desktops-hub-service"]["rules"]
    asked = {resource: rule for rule in rules for resource in rule["resources"]}
    assert set(asked) == {"tokenreviews", "subjectaccessreviews", "namespaces"}
    assert asked["namespaces"]["resourceNames"] == ["team", "other"]
    assert asked["namespaces"]["verbs"] == ["get"]
    for program in ("hub-service", "snapshot-agent"):
        role = objects["Role", f"desktops-{program}"]
        assert role["metadata"]["namespace"] in ("team", "other")
        [rule] = role["rules"]
        assert (rule["resources"], rule["verbs"]) == (["pods"], ["list"])
        [subject] = objects["RoleBinding", f"desktops-{program}"]["subjects"]
        assert (subject["name"], subject["namespace"]) == (program, "desktops")


def test_gateway_and_notebooks_reach_it(render: Render) -> None:
    objects = render(VALUES)
    [rule] = objects["NetworkPolicy", "hub-service"]["spec"]["ingress"]
    [peer] = rule["from"]
    [chosen] = peer["namespaceSelector"]["matchExpressions"]
    assert chosen["values"] == ["team", "other", "mesh"]


def test_beside_a_jupyterhub_there_is_nothing_of_it(render: Render) -> None:
    objects = render()
    assert ("ClusterRole", "desktops-hub-service") not in objects
    assert "gateway-secret" not in objects["Secret", "desktops-tokens"]["stringData"]
    assert "GATEWAY_SECRET" not in environment(objects)
    assert config(objects, "hub-service", "HubService")["auth"] == "jupyterhub"
    agent = config(objects, "snapshot-agent", "SnapshotAgent")
    assert agent["namespaces"] == ["desktops"]
    assert "session_selector" not in agent


@pytest.mark.parametrize(
    "wrong",
    [{"hub": {"enabled": True}}, {"kubeflow": {"notebooks": {"namespaces": []}}}],
)
def test_what_cannot_work_is_refused(render: Render, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="auth=kubeflow needs"):
        render(VALUES | wrong)
