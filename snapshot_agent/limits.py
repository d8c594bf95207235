"""What the process may take from the machine."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
from contextlib import suppress

# From glibc's malloc.h.
_M_ARENA_MAX = -8
# From the kernel's ioprio.h and its tables of system calls.
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_WHO_PROCESS, _CLASS_IDLE, _CLASS_SHIFT = 1, 3, 13


def share_memory() -> None:
    """Few heaps: by default every thread gets one, and what it has freed stays with it."""
    with suppress(AttributeError):
        # Not in every C library; musl has one heap anyway.
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def raise_file_limit() -> None:
    """One descriptor is open for every directory on the way down."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def step_back(nice: int) -> None:
    """Let everything else have the processors and the disk first; threads to come inherit it."""
    if not nice:
        return
    os.nice(nice)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        # Not every scheduler of a disk heeds it, and none has to.
        ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _CLASS_IDLE << _CLASS_SHIFT)
