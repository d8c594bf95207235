"""A save stands behind everything else: tried in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import ctypes, os, platform, threading
from snapshot_agent.limits import step_back
step_back({nice})
GET = {{"x86_64": 252, "aarch64": 31}}[platform.machine()]
def tell():
    print(os.getpriority(os.PRIO_PROCESS, 0), ctypes.CDLL(None).syscall(GET, 1, 0) >> 13)
thread = threading.Thread(target=tell)
thread.start()
thread.join()
"""


def tell(nice: int) -> list[int]:
    """The niceness and the disk's class of a thread that is made after stepping back."""
    command = [sys.executable, "-c", SCRIPT.format(nice=nice)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    return [int(one) for one in done.stdout.split()]


def test_stepping_back() -> None:
    # These tests may have been made to step back themselves; 3 is the class "idle".
    here, _ = tell(0)
    assert here == os.getpriority(os.PRIO_PROCESS, 0)
    assert tell(7) == [min(here + 7, 19), 3]
