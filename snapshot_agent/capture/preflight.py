"""What must be true before desktops are read: better no agent than a wrong image."""

from __future__ import annotations

import os
from collections.abc import Iterable

from snapshot_agent.capture.containerd import Containerd, ContainerdError
from snapshot_agent.not_ready import NotReady

_SYS_ADMIN, _DAC_OVERRIDE, _DAC_READ_SEARCH = 21, 1, 2


def check_capabilities(status: str) -> None:
    """`status` is the text of /proc/self/status."""
    line = next(
        (one for one in status.splitlines() if one.startswith("CapEff:")), "CapEff: 0"
    )
    effective = int(line.split()[1], 16)
    if not effective >> _SYS_ADMIN & 1:
        # Without it the kernel does not show the marks of deleted directories, and every one
        # of them would silently come back in the saved image.
        raise NotReady(
            "the agent has no CAP_SYS_ADMIN: add SYS_ADMIN to its container's capabilities"
        )
    if not (effective >> _DAC_READ_SEARCH | effective >> _DAC_OVERRIDE) & 1:
        raise NotReady(
            "the agent may not read other users' files: add DAC_READ_SEARCH to its capabilities"
        )


def check_roots(roots: Iterable[str]) -> None:
    """One of the snapshotter's roots must be there, and readable."""
    tried = list(roots)
    for root in tried:
        try:
            os.listdir(root)
            return
        except OSError:
            continue
    raise NotReady(
        f"none of {', '.join(tried)} can be read: mount the snapshotter's root of the node "
        "read-only at the same path, or set SnapshotAgent.snapshotter_roots"
    )


def check_containerd(containerd: Containerd, socket: str) -> str:
    """containerd's version."""
    try:
        return containerd.version()
    except ContainerdError as error:
        raise NotReady(
            f"containerd does not answer on {socket}: mount its socket, or set "
            "SnapshotAgent.containerd_socket"
        ) from error
