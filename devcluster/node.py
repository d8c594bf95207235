"""containerd, kubelet and kube-proxy, with their configuration files."""

from __future__ import annotations

import json
from pathlib import Path

from devcluster.cgroup import NAME as CGROUP
from devcluster.component import Component, http_ready, socket_ready
from devcluster.settings import (
    CLUSTER_DOMAIN,
    DNS_SERVICE_ADDRESS,
    MAX_PODS,
    NODE_ADDRESS,
    NODE_NAME,
    NODE_NETWORK,
    NODE_PORT_REGISTRY,
    POD_NETWORK,
    REGISTRY,
    Settings,
)

KUBELET_HEALTH_PORT = 10248
PROXY_HEALTH_PORT = 10256
CNI_PROGRAMS = "/usr/lib/cni"
NETWORK = "devcluster"
"""Name of the pod network; the network library files its results under it."""


UNUSED_PLUGINS = (
    "io.containerd.differ.v1.erofs",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.nri.v1.nri",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.erofs",
)
# A small disk must not evict everything.
EVICTION = {
    "imagefs.available": "1%",
    "memory.available": "100Mi",
    "nodefs.available": "1%",
    "nodefs.inodesFree": "1%",
}


def containerd_config(settings: Settings, pause_image: str) -> str:
    """The text of containerd's configuration (version 3, containerd 2)."""
    return f"""\
version = 3
root = '{settings.data}/containerd'
state = '{settings.run}/containerd'
disabled_plugins = {list(UNUSED_PLUGINS)}

[grpc]
  address = '{settings.containerd_socket}'

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '{pause_image}'
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = '{settings.certs_folder}'

# One after the other by default; a saved desktop has several large layers.
[plugins.'io.containerd.transfer.v1.local']
  max_concurrent_unpacks = 4

[plugins.'io.containerd.cri.v1.runtime']
  # Where the machine lacks CAP_SYS_RESOURCE no process may lower its own score, and runc fails.
  restrict_oom_score_adj = true
  # Else they would be in /var/run/netns, where `ip netns` shows them among other people's.
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['{CNI_PROGRAMS}']
    conf_dir = '{settings.config}/cni'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = '{settings.run}/runc'
"""


def hosts_config(registry: str) -> str:
    """containerd's settings of one registry that speaks plain HTTP (`hosts.toml`)."""
    return f"""\
server = "http://{registry}"

[host."http://{registry}"]
  capabilities = ["pull", "resolve", "push"]
"""


def pod_network(settings: Settings) -> dict[str, object]:
    """The pod network: every pod on a link of its own, so that all traffic is routed.

    Routed traffic always passes the rules of kube-proxy; on a bridge that depends on a kernel
    module that not every machine has.
    """
    return {
        "cniVersion": "1.0.0",
        "name": NETWORK,
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": f"{settings.run}/addresses",
                    "ranges": [[{"subnet": POD_NETWORK}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def kubelet_config(settings: Settings) -> dict[str, object]:
    """The KubeletConfiguration object."""
    endpoint = f"unix://{settings.containerd_socket}"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{settings.keys}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "clusterDNS": [DNS_SERVICE_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerLogMaxFiles": 2,
        "containerLogMaxSize": "5Mi",
        "containerRuntimeEndpoint": endpoint,
        "imageServiceEndpoint": endpoint,
        "evictionHard": EVICTION,
        "failCgroupV1": False,
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": KUBELET_HEALTH_PORT,
        # 100 switches the collection of images off: they cannot be pulled again from anywhere.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "maxPods": MAX_PODS,
        "oomScoreAdj": 0,
        "podLogsDir": f"{settings.logs}/pods",
        "readOnlyPort": 0,
        "registryPullQPS": 0,
        "resolvConf": str(resolver_file()),
        "serializeImagePulls": False,
        "tlsCertFile": f"{settings.keys}/kubelet.crt",
        "tlsPrivateKeyFile": f"{settings.keys}/kubelet.key",
        "volumePluginDir": f"{settings.data}/volume-plugins",
    }


def resolver_file() -> Path:
    """The machine's list of name servers: systemd-resolved keeps the real one elsewhere."""
    resolved = Path("/run/systemd/resolve/resolv.conf")
    return resolved if resolved.exists() else Path("/etc/resolv.conf")


def write_node_config(settings: Settings, pause_image: str) -> None:
    """Write every configuration file of this module."""
    files = {
        "containerd.toml": containerd_config(settings, pause_image),
        "kubelet.json": json.dumps(kubelet_config(settings), indent=2),
        "cni/10-devcluster.conflist": json.dumps(pod_network(settings), indent=2),
        **{f"certs.d/{name}/hosts.toml": hosts_config(name) for name in registries()},
    }
    for name, text in files.items():
        file = settings.config / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def registries() -> tuple[str, ...]:
    """The registries that containerd may speak plain HTTP with."""
    return (REGISTRY, NODE_PORT_REGISTRY)


def containerd(settings: Settings) -> Component:
    """The container runtime."""
    return Component(
        "containerd",
        [f"{settings.bin}/containerd", "--config", f"{settings.config}/containerd.toml"]
        + ["--log-level", "warn"],
        ready=socket_ready(settings.containerd_socket),
    )


def kubelet(settings: Settings) -> Component:
    """The node's agent; everything that it keeps is below the state folder."""
    return Component(
        "kubelet",
        [
            f"{settings.bin}/kubelet",
            f"--config={settings.config}/kubelet.json",
            f"--kubeconfig={settings.config}/kubelet.kubeconfig",
            f"--root-dir={settings.data}/kubelet",
            f"--cert-dir={settings.keys}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_ADDRESS}",
            "--v=0",
        ],
        ready=http_ready("127.0.0.1", KUBELET_HEALTH_PORT, "/healthz"),
    )


def proxy(settings: Settings) -> Component:
    """Services and NodePorts, on 127.0.0.1 too; conntrack's settings stay the machine's."""
    return Component(
        "kube-proxy",
        [
            f"{settings.bin}/kube-proxy",
            f"--kubeconfig={settings.config}/proxy.kubeconfig",
            f"--hostname-override={NODE_NAME}",
            f"--cluster-cidr={POD_NETWORK}",
            "--proxy-mode=iptables",
            "--iptables-localhost-nodeports=true",
            # Not on the machine's other addresses: what runs here is for this machine only.
            f"--nodeport-addresses=127.0.0.0/8,{NODE_NETWORK}",
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
            "--oom-score-adj=0",
            f"--healthz-bind-address=127.0.0.1:{PROXY_HEALTH_PORT}",
            "--metrics-bind-address=127.0.0.1:10249",
        ],
        ready=http_ready("127.0.0.1", PROXY_HEALTH_PORT, "/livez"),
    )
