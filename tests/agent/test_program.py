"""The agent runs for weeks: what a save has used is the node's again."""

import subprocess
import sys

import pytest

_USE = """
import re, sys
from pathlib import Path
from snapshot_agent.program import give_memory_back

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

if sys.argv[1] == "given":
    give_memory_back()
before = resident()
# The C library remembers the largest that was freed, and keeps what is smaller from then on.
large = bytearray(30 << 20)
del large
used = []
for number in range(40):
    used.append(bytearray(b"1" * (1 << 20)))
    used.append(bytearray(b"1" * 4000))
used = used[1::2]
print((resident() - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("way", "most"), [("given", 10), ("kept", None)])
def test_memory_that_is_free_is_given_back(way: str, most: int | None) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _USE, way], capture_output=True, text=True, check=True
    )
    left = int(told.stdout)
    assert left <= most if most is not None else left > 20, f"{left} MiB are left"
