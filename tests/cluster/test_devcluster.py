"""A whole life of the cluster, and the machine compared before and after it.

It needs a machine without a running cluster, so scripts/test runs it first, alone; it skips
otherwise. Its cluster has a state folder of its own, and uses the programs built before.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devcluster.cgroup import Cgroup
from devcluster.control_plane import ETCD_HEALTH_PORT
from devcluster.image import pause_archive
from devcluster.network import SWITCHES, TOUCHED
from devcluster.owner import OwnerRecord
from devcluster.settings import NODE_ADDRESS, REGISTRY, RUN_FOLDER, Settings

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parent.parent.parent
Devcluster = Callable[..., subprocess.CompletedProcess[str]]


def output(*command: str) -> str:
    return subprocess.check_output(command, text=True)


def machine() -> dict[str, object]:
    """Everything that a cluster could leave behind, as far as it is nobody else's."""
    rules = [
        line
        for p in ("iptables", "ip6tables")
        for line in output(f"{p}-save").splitlines()
    ]
    switches = [Path("/proc/sys") / name for name in (*SWITCHES, *TOUCHED)]
    return {
        "links": sorted(
            link["ifname"] for link in json.loads(output("ip", "-json", "link"))
        ),
        "routes": output("ip", "route"),
        "rules": [rule for rule in rules if rule.startswith("-A")],
        "chains": sorted(
            r.split()[0] for r in rules if r.startswith(":") and " - " in r
        ),
        "mounts": [
            m
            for m in Path("/proc/self/mounts").read_text().splitlines()
            if "cluster" in m
        ],
        "cgroups": [str(root) for root in Cgroup().roots() if root.exists()],
        "switches": {str(f): f.read_text() for f in switches if f.exists()},
        "processes": [p for p in programs() if "/devcluster" in p],
        "folders": [
            f for f in ("/var/lib/cni", "/var/log/containers") if Path(f).exists()
        ],
    }


def programs() -> Iterator[str]:
    """The program files of the machine's processes."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield str((process / "exe").readlink())
        except OSError:  # ended, a zombie, or the kernel's own
            continue


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    if os.geteuid() != 0:
        pytest.skip("a cluster needs root")
    if shutil.which("iptables") is None:
        pytest.skip("a cluster needs iptables: scripts/install")
    if OwnerRecord(RUN_FOLDER).read() is not None:
        pytest.skip(
            "a cluster runs on this machine: `python3 -m devcluster down` ends it"
        )
    usual = Settings.from_environment(os.environ)
    # Not pytest's own folder: a socket's path has 107 bytes at most.
    state = Path("/var/lib/devcluster-test")
    yield Settings(state=state, cache=usual.cache)
    environment = {**os.environ, "DEVCLUSTER_STATE": str(state)}
    command = [sys.executable, "-m", "devcluster", "reset", "--take-over"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def devcluster(settings: Settings) -> Devcluster:
    """Run a command of the driver; its failure is an answer, not an error."""

    def run(
        *arguments: str, state: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DEVCLUSTER_STATE": str(state or settings.state)}
        return subprocess.run(
            [sys.executable, "-m", "devcluster", *arguments],
            cwd=ROOT,
            env=environment,
            text=True,
            capture_output=True,
            timeout=1800,
        )

    return run


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def kubectl(settings: Settings, *arguments: str, text: str | None = None) -> str:
    command = [
        str(settings.bin / "kubectl"),
        f"--kubeconfig={settings.kubeconfig}",
        *arguments,
    ]
    done = subprocess.run(
        command, text=True, input=text, capture_output=True, timeout=120
    )
    return succeed(done)


def pids(devcluster: Devcluster) -> dict[str, int]:
    status = json.loads(devcluster("status", "--json").stdout)
    components: dict[str, int] = status["components"]
    return components


POD = """
apiVersion: v1
kind: Pod
metadata: {{name: holder}}
spec:
  containers:
    - name: holder
      image: {image}
      volumeMounts: [{{name: claim, mountPath: /claim}}]
  volumes:
    - {{name: claim, persistentVolumeClaim: {{claimName: claim}}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: claim}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Mi}}}}
"""


def test_the_whole_life(
    settings: Settings, devcluster: Devcluster, tmp_path: Path
) -> None:
    """One test, because each step needs the one before and the machine is only one."""
    succeed(devcluster("build"))
    before = machine()

    started = time.monotonic()
    succeed(devcluster("up"))
    assert time.monotonic() - started < 60
    first = pids(devcluster)
    check_names(settings)
    check_second_up(devcluster, first)
    check_another_checkout(devcluster, tmp_path)
    check_a_pod_with_a_volume(settings, devcluster, tmp_path)
    check_a_dead_component(devcluster, first)

    succeed(devcluster("down"))
    assert machine() == before

    check_a_broken_component(settings, devcluster)
    check_a_killed_cluster(settings, devcluster)
    succeed(devcluster("down"))
    assert machine() == before

    succeed(devcluster("reset"))
    assert not settings.state.exists()
    assert machine() == before


def check_names(settings: Settings) -> None:
    """The cluster's own names answer as soon as `up` has ended."""
    assert settings.kubeconfig.stat().st_mode & 0o777 == 0o600
    script = (
        "import socket, struct, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "s.settimeout(5);"
        "q = b''.join(bytes([len(p)]) + p for p in b'kubernetes.default.svc.cluster.local'"
        ".split(b'.')) + bytes(1);"
        "s.sendto(struct.pack('>HHHHHH', 7, 256, 1, 0, 0, 0) + q + struct.pack('>HH', 1, 1),"
        "(sys.argv[1], 53)); print(socket.inet_ntoa(s.recv(512)[-4:]))"
    )
    answer = output(sys.executable, "-c", script, NODE_ADDRESS)
    assert answer.strip() == "10.96.0.1"


def check_second_up(devcluster: Devcluster, first: dict[str, int]) -> None:
    started = time.monotonic()
    succeed(devcluster("up"))
    assert time.monotonic() - started < 10
    assert pids(devcluster) == first


def check_another_checkout(devcluster: Devcluster, elsewhere: Path) -> None:
    """Another state folder stands for another checkout: both make another owner."""
    for command in ("up", "down", "reset"):
        refused = devcluster(command, state=elsewhere / "state")
        assert refused.returncode == 1
        assert str(ROOT) in refused.stderr
        assert "--take-over" in refused.stderr


def check_a_pod_with_a_volume(
    settings: Settings, devcluster: Devcluster, folder: Path
) -> None:
    """An image is loaded under one name for registry and containerd, and runs with a claim."""
    archive = folder / "holder.tar"
    archive.write_bytes(
        pause_archive((settings.bin / "pause").read_bytes(), "holder:1")
    )
    name = succeed(devcluster("load", str(archive))).strip()
    assert name == f"{REGISTRY}/holder:1"
    kubectl(settings, "apply", "-f", "-", text=POD.format(image=name))
    kubectl(settings, "wait", "--for=condition=Ready", "pod/holder", "--timeout=60s")
    assert any((settings.data / "volumes").iterdir())


def check_a_dead_component(devcluster: Devcluster, first: dict[str, int]) -> None:
    """`up` starts again what ended, and only that."""
    os.kill(first["coredns"], signal.SIGKILL)
    while pids(devcluster)["coredns"]:
        time.sleep(0.1)
    succeed(devcluster("up"))
    now = pids(devcluster)
    assert now["coredns"] != first["coredns"]
    assert {**now, "coredns": 0} == {**first, "coredns": 0}


def check_a_broken_component(settings: Settings, devcluster: Devcluster) -> None:
    """`up` names what cannot start, and shows the end of its log; then all is well again."""
    with socket.create_server(("127.0.0.1", ETCD_HEALTH_PORT)):
        failed = devcluster("up")
    assert failed.returncode == 1
    said = failed.stderr.splitlines()
    assert any(
        line.endswith(f"etcd ended. The end of {settings.logs / 'etcd.log'}:")
        for line in said
    ), said
    log = (settings.logs / "etcd.log").read_text().splitlines()
    assert log[-1] in said
    assert f":{ETCD_HEALTH_PORT}: bind: address already in use" in failed.stderr


def check_a_killed_cluster(settings: Settings, devcluster: Devcluster) -> None:
    """After every process was killed at once, `up` clears up and goes on from the data."""
    succeed(devcluster("up"))
    kubectl(settings, "wait", "--for=condition=Ready", "pod/holder", "--timeout=60s")
    for _ in range(100):
        for pid in Cgroup().processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not Cgroup().processes():
            break
        time.sleep(0.05)
    succeed(devcluster("up"))
    kubectl(settings, "wait", "--for=condition=Ready", "pod/holder", "--timeout=60s")
