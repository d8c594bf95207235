"""Snapshots of a real containerd without containers: made, mounted, changed, and diffed by it."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from snapshot_agent._containerd_api.services.snapshots.v1 import snapshots_pb2

from .nodes import run
from .overlays import Overlay
from .steps import Step, carry_out

_SNAPSHOTTER = "overlayfs"
# Without it containerd collects what no container or image needs, whenever something is removed.
_KEEP = {"containerd.io/gc.root": "test"}


@dataclass
class Mounted(Overlay):
    """A snapshot that is mounted."""

    key: str
    place: Path

    @property
    def upper(self) -> Path:
        return self.place

    @property
    def merged(self) -> Path:
        return self.base


class Snapshots:
    """One containerd's overlay snapshots."""

    def __init__(self, ctr: list[str], socket: str, folder: Path) -> None:
        self._ctr = ctr
        self._folder = folder
        self._channel = grpc.insecure_channel(f"unix://{socket}")
        self._made: list[str] = []

    def close(self) -> None:
        self.clear()
        self._channel.close()

    def clear(self) -> None:
        """Remove every snapshot made, the newest first."""
        while self._made:
            self._call("Remove", "RemoveSnapshotRequest", key=self._made.pop())

    def commit(self, parent: str, steps: list[Step]) -> str:
        """A layer on `parent` in which these steps have been tried; its name."""
        with self.active(parent) as mounted:
            attempt(mounted.merged, steps)
        name = uuid.uuid4().hex
        self._call(
            "Commit", "CommitSnapshotRequest", name=name, key=mounted.key, labels=_KEEP
        )
        self._made.remove(mounted.key)
        self._made.append(name)
        return name

    @contextmanager
    def active(self, parent: str) -> Iterator[Mounted]:
        """A writable snapshot on `parent`, mounted."""
        key = uuid.uuid4().hex
        request = {"key": key, "parent": parent, "labels": _KEEP}
        [mount] = self._call("Prepare", "PrepareSnapshotRequest", **request).mounts
        self._made.append(key)
        target = self._folder / key
        target.mkdir()
        options = ",".join(mount.options)
        command = ["mount", "-t", mount.type, mount.source, "-o", options, str(target)]
        if mount.type == "bind":
            command = ["mount", "--bind", mount.source, str(target)]
        subprocess.run(command, check=True)
        given = dict(one.partition("=")[::2] for one in mount.options)
        lowers = [Path(one) for one in given.get("lowerdir", "").split(":") if one]
        place = Path(given.get("upperdir", mount.source))
        try:
            yield Mounted(target, lowers, key, place)
        finally:
            subprocess.run(["umount", str(target)], check=True)

    def diff(self, key: str, path: Path) -> Path:
        """What containerd itself makes of a snapshot: a tar file."""
        media_type = "application/vnd.oci.image.layer.v1.tar"
        command = [*self._ctr, "snapshots", "diff", "--media-type", media_type, key]
        with open(path, "wb") as file:
            subprocess.run(command, stdout=file, check=True, timeout=60)
        return path

    def _call(self, method: str, request: str, **fields: Any) -> Any:
        call = self._channel.unary_unary(
            f"/containerd.services.snapshots.v1.Snapshots/{method}",
            request_serializer=lambda one: one.SerializeToString(),
            response_deserializer=getattr(
                snapshots_pb2,
                "PrepareSnapshotResponse" if method == "Prepare" else request,
            ).FromString,
        )
        message = getattr(snapshots_pb2, request)(snapshotter=_SNAPSHOTTER, **fields)
        return call(message, metadata=(("containerd-namespace", "k8s.io"),), timeout=10)


def attempt(root: Path, steps: list[Step]) -> None:
    """Carry out what can be carried out: random steps need not fit together."""
    for step in steps:
        try:
            carry_out(root, [step])
        except (OSError, subprocess.CalledProcessError):
            pass


def flat(view: Mounted, base: Path) -> Path:
    """The layers below a snapshot, as the kernel shows them, copied."""
    target, empty = base / "flat", base / "empty"
    view_place = base / "view"
    for folder in (target, empty, view_place):
        folder.mkdir(parents=True)
    lowers = ":".join(map(str, [empty, *view.lowers]))
    command = ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lowers}"]
    run([*command, str(view_place)])
    try:
        run(["cp", "-a", f"{view_place}/.", str(target)])
    finally:
        run(["umount", str(view_place)])
    return target
