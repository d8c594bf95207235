"""The two containers of the agent's pod: each tried from inside for what it must not have."""

import json

import pytest

from tests.cluster.conftest import Demo

pytestmark = pytest.mark.cluster

# Reads nothing that is secret: only whether it is there.
LOOK = """
import json, os, pathlib, socket
def there(path):
    try:
        return bool(os.listdir(path))
    except OSError:
        return False
def writable(path):
    try:
        open(path + "/probe", "x").close()
        os.unlink(path + "/probe")
        return True
    except OSError:
        return False
def reached(address):
    try:
        socket.create_connection(address, 3).close()
        return True
    except OSError:
        return False
status = pathlib.Path("/proc/1/status").read_text()
fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
print(json.dumps({
    "interfaces": [name for _, name in socket.if_nameindex()],
    "api server": reached(("kubernetes.default.svc", 443)) or reached(("10.96.0.1", 443)),
    "registry": reached(("registry", 5000)),
    "token": there("/var/run/secrets/kubernetes.io/serviceaccount"),
    "registry-auth": there("/etc/registry-auth"),
    "containerd": there("CONTAINERD"),
    "layers": there("LAYERS"),
    "state": there("/var/lib") and os.path.isdir("/var/lib/desktops-snapshot-agent"),
    "variables": [name for name in os.environ if "TOKEN" in name or "PASS" in name],
    "uid": fields["Uid"].split()[0],
    "capabilities": int(fields["CapBnd"], 16),
    "seccomp": fields["Seccomp"].strip(),
    "writable": [path for path in (
        "/etc", "/var/spool/desktops-snapshot-agent", "/run/desktops-snapshot-agent",
        "CONTAINERD", "LAYERS",
    ) if writable(path)],
}))
"""
SYS_ADMIN, DAC_READ_SEARCH = 1 << 21, 1 << 2


def look(cluster: Demo, half: str) -> dict[str, object]:
    """What a program in the container finds."""
    config = cluster.get("configmap", "snapshot-agent")["data"]["config.json"]
    traits = json.loads(config)["SnapshotAgent"]
    folder = traits["containerd_socket"].rpartition("/")[0]
    script = LOOK.replace("CONTAINERD", folder)
    script = script.replace("LAYERS", traits["snapshotter_roots"][0])
    place = ["exec", "daemonset/snapshot-agent", "-c", half, "--"]
    found: dict[str, object] = json.loads(
        cluster.kubectl(*place, "python", "-c", script)
    )
    return found


def test_the_half_that_reads_has_no_network_and_no_credentials(cluster: Demo) -> None:
    found = look(cluster, "capture")
    assert found == {
        "interfaces": ["lo"],
        "api server": False,
        "registry": False,
        "token": False,
        "registry-auth": False,
        "containerd": True,
        "layers": True,
        "state": True,
        "variables": [],
        "uid": "0",
        "capabilities": SYS_ADMIN | DAC_READ_SEARCH,
        "seccomp": "2",
        "writable": [
            "/var/spool/desktops-snapshot-agent",
            "/run/desktops-snapshot-agent",
        ],
    }


def test_the_half_with_the_network_has_nothing_of_the_node(cluster: Demo) -> None:
    found = look(cluster, "api")
    assert {"lo", "eth0"} == set(found.pop("interfaces"))  # type: ignore[call-overload]
    assert found == {
        "api server": True,
        "registry": True,
        "token": True,
        "registry-auth": True,
        "containerd": False,
        "layers": False,
        "state": False,
        "variables": [],
        "uid": "1000",
        "capabilities": 0,
        "seccomp": "2",
        "writable": [],
    }
