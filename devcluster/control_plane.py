"""etcd, the API server and the two programs that drive the objects in it."""

from __future__ import annotations

from devcluster.component import Component, http_ready
from devcluster.settings import (
    API_PORT,
    NODE_ADDRESS,
    POD_NETWORK,
    SERVICE_NETWORK,
    Settings,
)

ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
ETCD_HEALTH_PORT = 2381
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259


def etcd(settings: Settings) -> Component:
    """The store of the objects; clients need a certificate, because loopback is everybody's."""
    keys = settings.keys
    return Component(
        "etcd",
        [
            f"{settings.bin}/etcd",
            "--name=devcluster",
            f"--data-dir={settings.data}/etcd",
            f"--listen-client-urls=https://127.0.0.1:{ETCD_PORT}",
            f"--advertise-client-urls=https://127.0.0.1:{ETCD_PORT}",
            f"--listen-peer-urls=http://127.0.0.1:{ETCD_PEER_PORT}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{ETCD_PEER_PORT}",
            f"--initial-cluster=devcluster=http://127.0.0.1:{ETCD_PEER_PORT}",
            f"--listen-metrics-urls=http://127.0.0.1:{ETCD_HEALTH_PORT}",
            f"--cert-file={keys}/etcd.crt",
            f"--key-file={keys}/etcd.key",
            f"--trusted-ca-file={keys}/ca.crt",
            "--client-cert-auth",
            "--log-level=warn",
            # A development cluster may lose its last second with the machine's power, and is much
            # faster on a slow disk for it.
            "--unsafe-no-fsync",
            "--auto-compaction-retention=10m",
        ],
        ready=http_ready("127.0.0.1", ETCD_HEALTH_PORT, "/health"),
    )


def apiserver(settings: Settings) -> Component:
    """The API server, on the node's address: pods cannot reach the machine's loopback."""
    keys = settings.keys
    return Component(
        "kube-apiserver",
        [
            f"{settings.bin}/kube-apiserver",
            f"--bind-address={NODE_ADDRESS}",
            f"--advertise-address={NODE_ADDRESS}",
            f"--secure-port={API_PORT}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--etcd-servers=https://127.0.0.1:{ETCD_PORT}",
            f"--etcd-cafile={keys}/ca.crt",
            f"--etcd-certfile={keys}/apiserver.crt",
            f"--etcd-keyfile={keys}/apiserver.key",
            f"--client-ca-file={keys}/ca.crt",
            f"--tls-cert-file={keys}/apiserver.crt",
            f"--tls-private-key-file={keys}/apiserver.key",
            f"--kubelet-certificate-authority={keys}/ca.crt",
            f"--kubelet-client-certificate={keys}/apiserver.crt",
            f"--kubelet-client-key={keys}/apiserver.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={keys}/tokens.key",
            f"--service-account-signing-key-file={keys}/tokens.key",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--profiling=false",
            f"--cert-dir={settings.run}/apiserver",
        ],
        ready=http_ready(NODE_ADDRESS, API_PORT, "/readyz", tls=True),
    )


def controller_manager(settings: Settings) -> Component:
    """The controllers; no leader is elected where there is one."""
    keys = settings.keys
    return Component(
        "kube-controller-manager",
        [
            f"{settings.bin}/kube-controller-manager",
            f"--kubeconfig={settings.config}/controller-manager.kubeconfig",
            "--bind-address=127.0.0.1",
            f"--secure-port={CONTROLLER_MANAGER_PORT}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--root-ca-file={keys}/ca.crt",
            f"--service-account-private-key-file={keys}/tokens.key",
            f"--cluster-signing-cert-file={keys}/ca.crt",
            f"--cluster-signing-key-file={keys}/ca.key",
            f"--cluster-cidr={POD_NETWORK}",
            "--allocate-node-cidrs=false",
            "--profiling=false",
            f"--cert-dir={settings.run}/controller-manager",
        ],
        ready=http_ready("127.0.0.1", CONTROLLER_MANAGER_PORT, "/healthz", tls=True),
    )


def scheduler(settings: Settings) -> Component:
    """The scheduler, which has one node to choose from."""
    return Component(
        "kube-scheduler",
        [
            f"{settings.bin}/kube-scheduler",
            f"--kubeconfig={settings.config}/scheduler.kubeconfig",
            "--bind-address=127.0.0.1",
            f"--secure-port={SCHEDULER_PORT}",
            "--leader-elect=false",
            "--profiling=false",
            f"--cert-dir={settings.run}/scheduler",
        ],
        ready=http_ready("127.0.0.1", SCHEDULER_PORT, "/healthz", tls=True),
    )
