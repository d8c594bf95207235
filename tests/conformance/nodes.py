"""Nodes with a running desktop: one with a fake containerd, one with a real one.

Both have a real overlay filesystem, in which a test changes what it likes below `merged`.
"""

from __future__ import annotations

import json
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
from snapshot_agent.capture.container import METADATA
from snapshot_agent.capture.containerd import Containerd, TaskState
from tests.fakes.containerd import RUNNING, STOPPED, FakeContainer, FakeContainerd
from tests.images import Image, archive
from tests.trees import apply

from .containerds import Daemon, Release, find_containerd, running
from .overlays import overlay

BASE_NAME = "registry.example:5000/desktops/base:1"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ENV = {
    "HOME": "/home/jovyan",
    "JUPYTERHUB_API_TOKEN": TOKEN,
    "JUPYTERHUB_API_URL": "http://hub:8081/hub/api",
}


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
    local: list[str] = field(default_factory=list)
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
    lowers = _unpacked(image, folder)
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


def _unpacked(image: Image, folder: Path) -> list[Path]:
    """Its layers as a node has them, the uppermost first."""
    lowers: list[Path] = []
    for number, layer in enumerate(image.layers):
        target = folder / "snapshots" / str(number)
        target.mkdir(parents=True)
        path = folder / f"{number}.tar.gz"
        path.write_bytes(layer)
        apply(path, target, kernel=True)
        lowers.insert(0, target)
    return lowers


@contextmanager
def real_node(
    folder: Path,
    image: Image,
    env: dict[str, str] | None = None,
    release: Release | None = None,
    options: tuple[str, ...] = (),
) -> Iterator[Node]:
    """A private containerd with a container of the image; `options` are ctr's."""
    release = release or find_containerd()
    assert release is not None
    # Short: the path of a unix socket has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="ctd-", dir="/tmp"))
    # The root of a user namespace has to reach its filesystem, too.
    home.chmod(0o711)
    try:
        with running(release, home, folder) as daemon:
            ctr = daemon.ctr
            name, local = archive(image, BASE_NAME, folder / "image.tar"), release.local
            run([*ctr, "images", "import", *local, str(name)])
            run([*ctr, "images", "tag", *local, BASE_NAME, str(image.config_digest)])
            chosen = (ENV if env is None else env, options)
            yield from _container(home, daemon, image, *chosen, release)
    finally:
        unmount_below(home)
        shutil.rmtree(home)


def unmount_below(folder: Path) -> None:
    """What containerd has left mounted: it expects to find it again when it starts."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if mount.startswith(f"{folder}/"):
            run(["umount", mount])


def _container(
    home: Path,
    daemon: Daemon,
    image: Image,
    env: dict[str, str],
    options: tuple[str, ...],
    release: Release,
) -> Iterator[Node]:
    container_id, pod_uid = uuid.uuid4().hex, str(uuid.uuid4())
    ctr = daemon.ctr
    command = [*ctr, "run", "--detach", "--null-io", *options]
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
        made = (socket, roots, pod_uid, container_id, rootfs, None, ctr)
        yield Node(*made, release.local, daemon)
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
