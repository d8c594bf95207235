"""Leaving the pod's network: who reads hostile files has nobody to talk to."""

from __future__ import annotations

import ctypes
import os
import socket

_CLONE_NEWNET = 0x40000000


class StillConnected(Exception):
    """The process could not leave its network."""


def leave_network() -> None:
    """Go into an empty network namespace, for good.

    - only unix sockets are left; the new namespace has not even a loopback that is up;
    - must come before any thread: each has a namespace of its own.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise StillConnected("there are threads already, which would stay behind")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        why = os.strerror(ctypes.get_errno())
        raise StillConnected(
            f"unshare: {why}: add SYS_ADMIN to its container's capabilities"
        )
    left = [name for _, name in socket.if_nameindex() if name != "lo"]
    if left:
        raise StillConnected(f"the interfaces {', '.join(left)} are still there")
