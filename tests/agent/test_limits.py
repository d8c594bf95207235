"""A save stands behind everything else: tried in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(("nice", "wanted"), [(0, "0 0"), (7, "7 3")])
def test_stepping_back(nice: int, wanted: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(nice=nice)],
        capture_output=True,
        text=True,
    )
    # Threads that come later stand there too; 3 is the class "idle".
    assert (done.stdout.strip(), done.stderr) == (wanted, "")
