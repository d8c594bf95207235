"""Where the cluster keeps its things, and the addresses that it has on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""The folder of the source tree that this driver belongs to."""

RUN_FOLDER = Path("/run/devcluster")
"""Lock and owner: one place for the whole machine, because two clusters cannot share a machine."""

NODE_NAME = "devcluster"
NODE_ADDRESS = "10.97.0.1"
"""The node's address on a link of its own: the same on every machine, and never off the machine."""

NODE_NETWORK = "10.97.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
POD_NETWORK = "10.244.0.0/22"
"""1022 addresses: more than the node's pods, because addresses of ended pods are reused late."""

API_PORT = 6443
REGISTRY = f"{NODE_ADDRESS}:5000"
NODE_PORT_REGISTRY = "localhost:30500"
"""Where an application's own registry is expected on the node, as a NodePort."""

CLUSTER_DOMAIN = "cluster.local"
MAX_PODS = 250


@dataclass(frozen=True)
class Settings:
    """The folders of one cluster; everything else is fixed."""

    state: Path
    cache: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Take `DEVCLUSTER_STATE` and `DEVCLUSTER_CACHE`, else the defaults of a root user."""
        home = Path(environment.get("HOME") or "/root")
        return cls(
            state=Path(environment.get("DEVCLUSTER_STATE") or "/var/lib/devcluster"),
            cache=Path(
                environment.get("DEVCLUSTER_CACHE") or home / ".cache" / "devcluster"
            ),
        )

    @property
    def bin(self) -> Path:
        """Links to the programs of the cache, under their usual names."""
        return self.state / "bin"

    @property
    def config(self) -> Path:
        """Configuration files, made anew at every start."""
        return self.state / "config"

    @property
    def keys(self) -> Path:
        """Certificates and keys; only root reads them."""
        return self.state / "keys"

    @property
    def logs(self) -> Path:
        """One file a component."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """Sockets, process records and mounts: worthless once the processes are gone."""
        return self.state / "run"

    @property
    def data(self) -> Path:
        """What outlives `down`: the objects, the images, the volumes."""
        return self.state / "data"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, mode 0600, at a path that never changes."""
        return self.state / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """The gRPC socket of containerd, in a folder without anything else.

        Pods mount that folder; beside containerd's state they would get every mount in it too.
        """
        return self.run / "sockets" / "containerd.sock"

    @property
    def certs_folder(self) -> Path:
        """containerd's per-registry settings (`certs.d`)."""
        return self.config / "certs.d"

    def environment(self) -> dict[str, str]:
        """What a shell needs to use the cluster."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "NODE_ADDRESS": NODE_ADDRESS,
            "REGISTRY": REGISTRY,
            "CONTAINERD_SOCKET": str(self.containerd_socket),
            "CONTAINERD_ROOT": str(self.data / "containerd"),
            "CONTAINERD_STATE": str(self.run / "containerd"),
            "DEVCLUSTER_BIN": str(self.bin),
        }
