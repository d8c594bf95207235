"""What the process may take from the machine."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress

# From glibc's malloc.h.
_M_ARENA_MAX = -8


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
