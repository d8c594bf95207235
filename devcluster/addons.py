"""The registry, the cluster's name server and its volumes: programs on the machine, not pods.

So the cluster needs no image of its own but the pause image, and names answer as soon as the API
server does.
"""

from __future__ import annotations

import json

from devcluster.component import Component, at_once, http_ready
from devcluster.node import resolver_file
from devcluster.settings import (
    CLUSTER_DOMAIN,
    DNS_SERVICE_ADDRESS,
    NODE_ADDRESS,
    REGISTRY,
    Settings,
)

DNS_READY_PORT = 8181
STORAGE_CLASS = "local-path"
PROVISIONER = "rancher.io/local-path"


def corefile(settings: Settings) -> str:
    """CoreDNS's configuration: the cluster's names, and the machine's resolver for the others."""
    upstream = resolver_file()
    known = "nameserver" in upstream.read_text() if upstream.exists() else False
    forward = f"\n    forward . {upstream}" if known else ""
    return f"""\
. {{
    bind {NODE_ADDRESS}
    errors
    ready 127.0.0.1:{DNS_READY_PORT}
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {settings.kubeconfig}
        ttl 5
        fallthrough in-addr.arpa ip6.arpa
    }}{forward}
    cache 30 {{
        disable success {CLUSTER_DOMAIN}
        disable denial {CLUSTER_DOMAIN}
    }}
}}
"""


def registry_config(settings: Settings) -> dict[str, object]:
    """The registry that plays the outside world: plain HTTP, open, deletion allowed."""
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": f"{settings.data}/registry"},
            "delete": {"enabled": True},
        },
        "http": {"addr": REGISTRY, "secret": "one-registry-needs-no-shared-secret"},
    }


def volumes_config(settings: Settings) -> dict[str, object]:
    """The provisioner's settings; the pause image makes and removes the directories."""
    return {
        "nodePathMap": [
            {
                "node": "DEFAULT_PATH_FOR_NON_LISTED_NODES",
                "paths": [f"{settings.data}/volumes"],
            }
        ],
        "setupCommand": "/pause",
        "teardownCommand": "/pause",
        "cmdTimeoutSeconds": 60,
    }


def volume_pod(pause_image: str) -> dict[str, object]:
    """The pod that makes or removes one directory."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "volume"},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [
                {"name": "helper-pod", "image": pause_image, "imagePullPolicy": "Never"}
            ],
        },
    }


def write_addon_config(settings: Settings, pause_image: str) -> None:
    """Write every configuration file of this module."""
    settings.config.mkdir(parents=True, exist_ok=True)
    (settings.config / "Corefile").write_text(corefile(settings))
    documents = {
        "registry.yaml": registry_config(settings),
        "volumes.json": volumes_config(settings),
        "volume-pod.json": volume_pod(pause_image),
    }
    for name, document in documents.items():
        (settings.config / name).write_text(json.dumps(document, indent=2))


def registry(settings: Settings) -> Component:
    """The registry on the node's address."""
    return Component(
        "registry",
        [f"{settings.bin}/registry", "serve", f"{settings.config}/registry.yaml"],
        environment={"OTEL_TRACES_EXPORTER": "none"},
        ready=http_ready(*_split(REGISTRY), "/v2/"),
    )


def dns(settings: Settings) -> Component:
    """The cluster's name server."""
    return Component(
        "coredns",
        [f"{settings.bin}/coredns", "-conf", f"{settings.config}/Corefile"],
        ready=http_ready("127.0.0.1", DNS_READY_PORT, "/ready"),
    )


def volumes(settings: Settings) -> Component:
    """What makes a directory for a claim."""
    return Component(
        "local-path-provisioner",
        [
            f"{settings.bin}/local-path-provisioner",
            "start",
            f"--config={settings.config}/volumes.json",
            f"--helper-pod-file={settings.config}/volume-pod.json",
            "--helper-image=unused",
            "--namespace=kube-system",
            "--service-account-name=default",
            f"--kubeconfig={settings.kubeconfig}",
            f"--provisioner-name={PROVISIONER}",
        ],
        ready=at_once,
    )


def objects() -> list[dict[str, object]]:
    """The objects of the API that belong to these programs, as `kubectl apply` takes them."""
    return [*_dns(), _storage_class()]


def _dns() -> list[dict[str, object]]:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    metadata = {
        "name": "kube-dns",
        "namespace": "kube-system",
        "labels": {"k8s-app": "kube-dns", "kubernetes.io/service-name": "kube-dns"},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"clusterIP": DNS_SERVICE_ADDRESS, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
        },
    ]


def _storage_class() -> dict[str, object]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)
