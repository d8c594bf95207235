"""From a pod to the directories of its container; whatever is not known for sure is refused.

The half that speaks with the API server names a pod and a container of it. Everything else is
derived here, from containerd, which must say the same about the two.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from oci.errors import InvalidReference
from oci.reference import Digest
from snapshot_agent.capture.containerd import (
    Container,
    Containerd,
    Mount,
    NotFound,
    Snapshot,
    TaskState,
)
from snapshot_agent.errors import (
    SAFE,
    AgentError,
    BaseUnknown,
    ContainerGone,
    ServerNotRunning,
    TooMuch,
    UnsupportedContainer,
)
from snapshot_agent.exclusions import printable
from snapshot_agent.tree.frame import MOST_NAMES, TooManyNames
from snapshot_agent.tree.lower import LowerView
from snapshot_agent.tree.overlay import Strange
from snapshot_agent.wire import Place

METADATA = "io.cri-containerd.container.metadata"
_NAMESPACE = "io.kubernetes.pod.namespace"
_POD_UID = "io.kubernetes.pod.uid"
_CONTAINER_NAME = "io.kubernetes.container.name"
_KIND = "io.cri-containerd.kind"

# runc, and what speaks like it; gVisor and Kata keep the changes elsewhere.
_RUNTIMES = frozenset({"io.containerd.runc.v2", "io.containerd.runtime.v1.linux"})
# Programs that do as runc does, NVIDIA's around it; what a shim is told to start may be any.
_PROGRAMS = re.compile(r"runc|crun|youki|nvidia-container-runtime(\.[a-z]+)?")
# Options that say nothing about where content lies. An unknown one is never guessed.
_HARMLESS = frozenset(
    {
        "rw",
        "index=off",
        "metacopy=off",
        "redirect_dir=off",
        "redirect_dir=nofollow",
        "volatile",
    }
    | {"xino=off", "xino=on", "xino=auto", "relatime", "noatime", "nodev", "nosuid"}
)
_PASSWD_LIMIT = 1 << 20


@dataclass(frozen=True)
class Desktop:
    """A container that can be saved."""

    container_id: str
    upper: str
    lowers: tuple[str, ...]
    parent: str
    image: str
    config_digest: Digest
    home: str
    mounts: tuple[str, ...]
    env: tuple[str, ...]


@dataclass(frozen=True)
class Bounds:
    """Where a desktop may be: its pod in one of the namespaces, its layers below a root."""

    namespaces: tuple[str, ...]
    roots: tuple[str, ...]


def find_desktop(containerd: Containerd, place: Place, bounds: Bounds) -> Desktop:
    """The container of a pod, within the bounds.

    Raises ServerNotRunning or UnsupportedContainer; nothing has been touched then.
    """
    container_id, pod = place.container_id, place.pod_uid
    try:
        container = containerd.container(container_id)
        state = containerd.task_state(container_id)
        snapshot = containerd.snapshot(container.snapshotter, container.snapshot_key)
        mounts = containerd.mounts(container.snapshotter, container.snapshot_key)
    except NotFound as error:
        raise ServerNotRunning(
            "The server has just stopped. Start it, then save again.", pod=pod
        ) from error
    if state not in (TaskState.RUNNING, TaskState.PAUSED):
        raise ServerNotRunning(
            "The server has stopped. Start it, then save again.", pod=pod
        )
    _check_identity(container, place, bounds.namespaces)
    _check_kind(container, snapshot)
    upper, lowers = overlay_directories(mounts)
    _check_place(upper, lowers, bounds.roots)
    return _desktop(container, snapshot, upper, lowers)


def check_still_there(containerd: Containerd, desktop: Desktop, upper_fd: int) -> None:
    """Raise ContainerGone when what was read is no longer the container that runs."""
    try:
        state = containerd.task_state(desktop.container_id)
        here, read = os.stat(desktop.upper), os.fstat(upper_fd)
        alive = (here.st_ino, here.st_dev) == (read.st_ino, read.st_dev)
    except (NotFound, FileNotFoundError):
        alive, state = False, TaskState.STOPPED
    if not alive or state is TaskState.STOPPED:
        raise ContainerGone(
            "The server ended while it was being saved, so the save is incomplete and was thrown "
            "away. Earlier versions are untouched. Start the server and save again."
        )


def overlay_directories(mounts: list[Mount]) -> tuple[str, tuple[str, ...]]:
    """The upper and the lower directories (topmost first) of one plain overlay."""
    if len(mounts) != 1 or mounts[0].type != "overlay":
        kind = mounts[0].type if mounts else "nothing"
        raise UnsupportedContainer(
            "snapshotter", f"its filesystem is {kind}, not one overlay"
        )
    found: dict[str, str] = {}
    for option in mounts[0].options:
        key, equals, value = option.partition("=")
        if key in ("upperdir", "lowerdir", "workdir") and equals:
            found[key] = value
        elif option not in _HARMLESS:
            raise UnsupportedContainer(
                "mount_option", f"its filesystem has the option {key!r}"
            )
    lower, upper = found.get("lowerdir", ""), found.get("upperdir", "")
    if not lower or not upper or "\\" in lower:
        raise UnsupportedContainer("snapshotter", "its filesystem has no plain layers")
    return upper, tuple(lower.split(":"))


def _check_identity(
    container: Container, place: Place, namespaces: tuple[str, ...]
) -> None:
    labels = container.labels
    named = (labels.get(_POD_UID), labels.get(_CONTAINER_NAME))
    same = named == (place.pod_uid, place.container)
    if not same or labels.get(_KIND) != "container":
        raise UnsupportedContainer(
            "identity", "the node and the cluster disagree about it"
        )
    if labels.get(_NAMESPACE, "") not in namespaces:
        raise UnsupportedContainer("namespace", "its namespace is not one of sessions")


def _check_kind(container: Container, snapshot: Snapshot) -> None:
    if container.runtime not in _RUNTIMES:
        raise UnsupportedContainer("runtime", f"it runs under {container.runtime}")
    program = os.path.basename(container.program) or "runc"
    if _PROGRAMS.fullmatch(program) is None:
        raise UnsupportedContainer("runtime", f"it runs under {program}")
    if not snapshot.active:
        raise UnsupportedContainer("snapshotter", "its filesystem is not writable")
    noted = any(one.endswith(("uidmapping", "gidmapping")) for one in snapshot.labels)
    if noted or _has_user_namespace(container.spec):
        raise UnsupportedContainer(
            "user_namespace", "its pod has a user namespace of its own"
        )


def _has_user_namespace(spec: dict[str, Any]) -> bool:
    linux = spec.get("linux") or {}
    namespaces = linux.get("namespaces") or ()
    # Its own, or one that it joins: in both its files belong to shifted users.
    return bool(linux.get("uidMappings") or linux.get("gidMappings")) or any(
        one.get("type") == "user" for one in namespaces
    )


def _check_place(upper: str, lowers: tuple[str, ...], roots: Iterable[str]) -> None:
    # Defence in depth: paths come from containerd, and still must be where images live.
    allowed = [os.path.normpath(root) + "/" for root in roots]
    for path in (upper, *lowers):
        inside = any(os.path.normpath(path).startswith(root) for root in allowed)
        if not inside:
            raise UnsupportedContainer(
                "snapshotter", "its layers are not in the snapshotter's root"
            )
        if not os.path.isdir(path):
            raise UnsupportedContainer(
                "not_mounted", "its layers cannot be seen from the agent's pod"
            )


def _desktop(
    container: Container, snapshot: Snapshot, upper: str, lowers: tuple[str, ...]
) -> Desktop:
    process = container.spec.get("process") or {}
    env = tuple(str(one) for one in process.get("env") or ())
    mounts = (
        str(mount.get("destination", ""))
        for mount in container.spec.get("mounts") or ()
    )
    return Desktop(
        container_id=container.id,
        upper=upper,
        lowers=lowers,
        parent=snapshot.parent,
        image=container.image,
        config_digest=_config_digest(container),
        home=_home(process, env, upper, lowers),
        mounts=tuple(mounts),
        env=env,
    )


def _config_digest(container: Container) -> Digest:
    """The image by its config's digest: a tag may have moved since the container was made."""
    try:
        kept: dict[str, Any] = json.loads(container.extensions[METADATA])
        return Digest(str(kept["Metadata"]["ImageRef"]))
    except (LookupError, ValueError, TypeError, InvalidReference) as error:
        raise BaseUnknown(
            f"It is not known from which image this server was started. {SAFE} "
            "Restart the server, then save again."
        ) from error


def _home(
    process: dict[str, Any], env: tuple[str, ...], upper: str, lowers: tuple[str, ...]
) -> str:
    """HOME as the pod has it, else the one that the user has in the container."""
    given = [one.partition("=")[2] for one in env if one.startswith("HOME=/")]
    if given:
        return given[-1]
    uid = str((process.get("user") or {}).get("uid", 0))
    try:
        with LowerView([upper, *lowers]) as merged:
            passwd = merged.read("etc/passwd", _PASSWD_LIMIT) or b""
    except Strange as error:
        raise unsupported(error) from error
    for line in passwd.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and fields[2] == uid and fields[5].startswith("/"):
            return fields[5]
    return "/root" if uid == "0" else "/nonexistent"


def unsupported(error: Strange | TooManyNames) -> AgentError:
    """What to say when a layer does not hold its own content, or cannot be looked at."""
    if isinstance(error, Strange):
        return UnsupportedContainer("overlay_feature", f"its filesystem uses {error}")
    path = printable(str(error))
    return TooMuch(
        f"The folder {path} holds more than {MOST_NAMES:,} files, which is more than a save can "
        f"look at in one folder. {SAFE} Nothing was saved. Put them into several folders.",
        path=path,
        most=MOST_NAMES,
    )
