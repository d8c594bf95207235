"""What Kubeflow makes of a profile and a Notebook: the objects that matter here."""

import json
from typing import Any

from tests.cluster.conftest import Demo

NOTEBOOK, AUDIENCE = "desk", "desktops-hub-service"
TOKENS = "/var/run/secrets/desktops"
GROUP = "rbac.authorization.k8s.io"


class Profile:
    """A namespace of a person's, and in it the Notebook `desk` on a volume."""

    def __init__(self, cluster: Demo, namespace: str, owner: str) -> None:
        self._cluster = cluster
        self.namespace = namespace
        self._owner = owner

    @property
    def prefix(self) -> str:
        """Where the gateway shows the Notebook."""
        return f"/notebook/{self.namespace}/{NOTEBOOK}"

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self._cluster.kubectl(f"--namespace={self.namespace}", *words, text=text)

    def create(self) -> None:
        """Make the namespace, whose owner may do what he likes with its Notebooks."""
        metadata = {"name": self.namespace, "annotations": {"owner": self._owner}}
        self._apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        known = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": "edit-notebooks"}}
        rule = {"apiGroups": ["kubeflow.org"], "resources": ["notebooks"]}
        self._apply({**known, "kind": "Role", "rules": [{**rule, "verbs": ["*"]}]})
        subject = {"kind": "User", "name": self._owner, "apiGroup": GROUP}
        role = {"kind": "Role", "name": "edit-notebooks", "apiGroup": GROUP}
        self._apply(
            {**known, "kind": "RoleBinding", "subjects": [subject], "roleRef": role}
        )

    def start(self, image: str, api_url: str) -> None:
        """Make what the Notebook controller makes, with the PodDefault of the documentation."""
        self._apply(_service())
        self._apply(_stateful_set(image, self.prefix, api_url))
        self.kubectl("rollout", "status", f"statefulset/{NOTEBOOK}", "--timeout=120s")

    def run(self, script: str) -> str:
        """Run a script in the desktop as its user."""
        return self.kubectl("exec", f"{NOTEBOOK}-0", "--", "bash", "-c", script)

    def delete(self) -> None:
        """Let all of it be gone."""
        self.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def _apply(self, content: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", text=json.dumps(content))


def _service() -> dict[str, Any]:
    port = {"name": f"http-{NOTEBOOK}", "port": 80, "targetPort": 8888}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NOTEBOOK},
        "spec": {"selector": {"statefulset": NOTEBOOK}, "ports": [port]},
    }


def _stateful_set(image: str, prefix: str, api_url: str) -> dict[str, Any]:
    token = {"audience": AUDIENCE, "expirationSeconds": 3600, "path": "token"}
    volume = {
        "name": "desktops-token",
        "projected": {"sources": [{"serviceAccountToken": token}]},
    }
    claim = {
        "metadata": {"name": "workspace"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    labels = {"statefulset": NOTEBOOK, "notebook-name": NOTEBOOK}
    pod = {
        "securityContext": {"fsGroup": 100},
        "terminationGracePeriodSeconds": 1,
        "containers": [_container(image, prefix, api_url)],
        "volumes": [volume],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": NOTEBOOK},
        "spec": {
            "replicas": 1,
            "serviceName": NOTEBOOK,
            "selector": {"matchLabels": {"statefulset": NOTEBOOK}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "volumeClaimTemplates": [claim],
        },
    }


def _container(image: str, prefix: str, api_url: str) -> dict[str, Any]:
    variables = {
        "NB_PREFIX": prefix,
        "DESKTOPS_API_URL": api_url,
        "DESKTOPS_TOKEN_FILE": f"{TOKENS}/token",
    }
    return {
        "name": NOTEBOOK,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "workingDir": "/home/jovyan",
        "ports": [{"name": "notebook-port", "containerPort": 8888}],
        "env": [{"name": name, "value": text} for name, text in variables.items()],
        "readinessProbe": {
            "httpGet": {"path": f"{prefix}/api", "port": 8888},
            "periodSeconds": 1,
        },
        "volumeMounts": [
            {"name": "workspace", "mountPath": "/home/jovyan"},
            {"name": "desktops-token", "mountPath": TOKENS, "readOnly": True},
        ],
    }
