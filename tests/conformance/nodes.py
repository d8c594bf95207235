"""Nodes with a running desktop: one with a fake containerd, one with a real one.

Both have a real overlay filesystem, in which a test changes what it likes below `merged`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2

from snapshot_agent._containerd_api.services.containers.v1 import containers_pb2
from snapshot_agent.container import METADATA
from snapshot_agent.containerd import Containerd, TaskState
from tests.fakes.containerd import RUNNING, STOPPED, FakeContainer, FakeContainerd
from tests.images import Image, archive
from tests.trees import apply

from .overlays import overlay
from .registries import find_built

BASE_NAME = "registry.example:5000/desktops/base:1"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ENV = {
    "HOME": "/home/jovyan",
    "JUPYTERHUB_API_TOKEN": TOKEN,
    "JUPYTERHUB_API_URL": "http://hub:8081/hub/api",
}


class Daemon:
    """A private containerd, which a test can kill and start again."""

    def __init__(self, command: list[str], ctr: list[str], log: Path) -> None:
        folder = str(Path(command[0]).parent)
        self._environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
        self._command, self._ctr, self._log = command, ctr, log
        self._process = self._start()

    def restart(self) -> None:
        """As after a crash: its containers stay as they are."""
        self._process.kill()
        self._process.wait(20)
        self._process = self._start()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _start(self) -> subprocess.Popen[bytes]:
        with open(self._log, "ab") as log:
            process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            asked = subprocess.run([*self._ctr, "version"], capture_output=True)
            if asked.returncode == 0:
                return process
            time.sleep(0.1)
        process.kill()
        process.wait()
        raise RuntimeError(
            f"containerd did not start:\n{self._log.read_text()[-3000:]}"
        )


@dataclass
class Node:
    """A node on which one desktop runs."""

    socket: str
    roots: list[str]
    pod_uid: str
    container_id: str
    merged: Path
    fake: FakeContainerd | None = None
    ctr: list[str] = field(default_factory=list)
    daemon: Daemon | None = None

    def state(self) -> TaskState:
        client = Containerd(self.socket)
        try:
            return client.task_state(self.container_id)
        finally:
            client.close()

    def await_state(self, state: TaskState) -> None:
        """Wait until the container is in a state."""
        deadline = time.monotonic() + 30
        while self.state() is not state:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def pause(self) -> None:
        self._task("pause")

    def resume(self) -> None:
        self._task("resume")

    def kill(self) -> None:
        """End the container, and take away its filesystem as the kubelet would."""
        if self.fake is not None:
            self.fake.containers[self.container_id].state = STOPPED
            return
        run([*self.ctr, "tasks", "kill", "-s", "KILL", self.container_id])
        deadline = time.monotonic() + 10
        while self.state() is not TaskState.STOPPED and time.monotonic() < deadline:
            time.sleep(0.05)

    def forget_layers(self, image: Image) -> None:
        """Lose the layer blobs of the base, as nodes do that discard unpacked layers."""
        from oci.reference import Digest

        for layer in image.layers:
            digest = str(Digest.of(layer))
            if self.fake is not None:
                self.fake.content.pop(digest, None)
            else:
                run([*self.ctr, "content", "rm", digest])

    def _task(self, verb: str) -> None:
        client = Containerd(self.socket)
        try:
            getattr(client, verb)(self.container_id)
        finally:
            client.close()

    def check_alive(self) -> None:
        """The desktop can still create, rename and delete everywhere."""
        assert self.state() is TaskState.RUNNING
        for folder in ("etc", "usr/lib", "home/jovyan", "var", "opt"):
            place = self.merged / folder
            place.mkdir(parents=True, exist_ok=True)
            (place / "probe").write_text("x")
            (place / "probe").rename(place / "probed")
            (place / "probed").unlink()
            (place / "probe-dir").mkdir()
            (place / "probe-dir").rmdir()


@contextmanager
def fake_node(
    folder: Path, image: Image, env: dict[str, str] | None = None
) -> Iterator[Node]:
    """A fake containerd over an overlay that the test mounts."""
    lowers: list[Path] = []
    for number, layer in enumerate(image.layers):
        # Unpacked as containerd does: one folder for each layer, with the kernel's whiteouts.
        target = folder / "snapshots" / str(number)
        target.mkdir(parents=True)
        path = folder / f"{number}.tar.gz"
        path.write_bytes(layer)
        apply(path, target)
        lowers.insert(0, target)
    with overlay(folder / "container", lowers) as mounted:
        socket = tempfile.mktemp(prefix="fake-containerd-", suffix=".sock", dir="/tmp")
        with FakeContainerd(socket) as fake:
            node = Node(
                socket,
                [str(folder)],
                str(uuid.uuid4()),
                uuid.uuid4().hex,
                mounted.merged,
                fake,
            )
            options = ["index=off", f"workdir={mounted.base / 'work'}"]
            options += [
                f"upperdir={mounted.upper}",
                f"lowerdir={':'.join(map(str, lowers))}",
            ]
            fake.containers[node.container_id] = FakeContainer(
                id=node.container_id,
                image=BASE_NAME,
                spec=_spec(ENV if env is None else env),
                labels=labels(node.pod_uid),
                metadata={"ImageRef": str(image.config_digest)},
                parent=image.chain,
                mounts=[("overlay", "overlay", options)],
                state=RUNNING,
            )
            fake.content = dict(image.blobs)
            target_type = "application/vnd.oci.image.manifest.v1+json"
            record = (target_type, str(image.digest), len(image.manifest))
            fake.images = {str(image.config_digest): record, BASE_NAME: record}
            yield node


@contextmanager
def real_node(
    folder: Path, image: Image, env: dict[str, str] | None = None
) -> Iterator[Node]:
    """A private containerd with a container of the image."""
    binary = find_containerd()
    assert binary is not None
    # Short: the path of a unix socket has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="ctd-", dir="/tmp"))
    try:
        with _containerd(binary, home, folder) as (ctr, daemon):
            name = archive(image, BASE_NAME, folder / "image.tar")
            run([*ctr, "images", "import", "--local", str(name)])
            run([*ctr, "images", "tag", "--local", BASE_NAME, str(image.config_digest)])
            yield from _container(home, ctr, daemon, image, ENV if env is None else env)
    finally:
        unmount_below(home)
        shutil.rmtree(home)


def unmount_below(folder: Path) -> None:
    """What containerd has left mounted: it expects to find it again when it starts."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if mount.startswith(f"{folder}/"):
            run(["umount", mount])


def find_containerd() -> str | None:
    """containerd 2 with its shim and ctr beside it."""
    found = find_built("containerd") or shutil.which("containerd")
    if found is None or shutil.which("runc") is None:
        return None
    return found if (Path(found).parent / "ctr").exists() else None


@contextmanager
def _containerd(
    binary: str, home: Path, logs: Path
) -> Iterator[tuple[list[str], Daemon]]:
    config = home / "config.toml"
    config.write_text(
        f'version = 3\nroot = "{home}/root"\nstate = "{home}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", '
        '"io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]\n'
        f'[grpc]\naddress = "{home}/c.sock"\n[ttrpc]\naddress = "{home}/t.sock"\n'
    )
    folder = str(Path(binary).parent)
    ctr = [f"{folder}/ctr", "--address", f"{home}/c.sock", "--namespace", "k8s.io"]
    command = [binary, "--config", str(config)]
    daemon = Daemon(command, ctr, logs / "containerd.log")
    try:
        yield ctr, daemon
    finally:
        daemon.stop()


def _container(
    home: Path, ctr: list[str], daemon: Daemon, image: Image, env: dict[str, str]
) -> Iterator[Node]:
    container_id, pod_uid = uuid.uuid4().hex, str(uuid.uuid4())
    command = [*ctr, "run", "--detach", "--null-io"]
    for key, value in labels(pod_uid).items():
        command += ["--label", f"{key}={value}"]
    for key, value in env.items():
        command += ["--env", f"{key}={value}"]
    run([*command, BASE_NAME, container_id])
    socket = f"{home}/c.sock"
    _write_metadata(socket, container_id, {"ImageRef": str(image.config_digest)})
    rootfs = (
        home / "state/io.containerd.runtime.v2.task/k8s.io" / container_id / "rootfs"
    )
    roots = [f"{home}/root/io.containerd.snapshotter.v1.overlayfs"]
    try:
        yield Node(socket, roots, pod_uid, container_id, rootfs, None, ctr, daemon)
    finally:
        subprocess.run([*ctr, "tasks", "resume", container_id], capture_output=True)
        subprocess.run(
            [*ctr, "tasks", "rm", "--force", container_id], capture_output=True
        )
        subprocess.run([*ctr, "containers", "rm", container_id], capture_output=True)


def _write_metadata(socket: str, container_id: str, metadata: dict[str, Any]) -> None:
    """What CRI writes on its containers, and ctr does not."""
    value = json.dumps({"Version": "v1", "Metadata": metadata}).encode()
    request = containers_pb2.UpdateContainerRequest()
    request.container.id = container_id
    extension = any_pb2.Any(type_url="test/metadata", value=value)
    request.container.extensions[METADATA].CopyFrom(extension)
    request.update_mask.paths.append("extensions")
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        call = channel.unary_unary(
            "/containerd.services.containers.v1.Containers/Update",
            request_serializer=containers_pb2.UpdateContainerRequest.SerializeToString,
            response_deserializer=containers_pb2.UpdateContainerResponse.FromString,
        )
        call(request, metadata=(("containerd-namespace", "k8s.io"),), timeout=10)


def labels(pod_uid: str) -> dict[str, str]:
    """What CRI notes on a container."""
    return {
        "io.kubernetes.pod.uid": pod_uid,
        "io.kubernetes.pod.namespace": "desktops",
        "io.kubernetes.container.name": "notebook",
        "io.cri-containerd.kind": "container",
    }


def _spec(env: dict[str, str]) -> dict[str, Any]:
    destinations = ["/proc", "/dev", "/sys", "/etc/hosts"]
    return {
        "process": {"env": [f"{k}={v}" for k, v in env.items()], "user": {"uid": 1000}},
        "mounts": [{"destination": destination} for destination in destinations],
    }


def run(command: list[str]) -> str:
    """Run a program; its output is in the failure."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
