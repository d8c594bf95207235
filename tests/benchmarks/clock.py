"""A program in a container's cgroup that writes all the time, and sees when it stood still."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.conformance.nodes import Node, run

# Appends to one file without end and rewrites others; every gap of its clock is reported, with
# its beginning and its end.
_PROGRAM = """\
import os, sys, time
folder, report = sys.argv[1], open(sys.argv[2], "w", buffering=1)
os.makedirs(folder, exist_ok=True)
log = open(folder + "/endless.log", "ab", buffering=0)
last, number = time.time(), 0
while True:
    log.write(b"x" * 100)
    number += 1
    if number % 10 == 0:
        with open(f"{folder}/state-{number // 10 % 20}", "w") as file:
            file.write(str(number))
    time.sleep(0.0005)
    now = time.time()
    if now - last > 0.005:
        report.write(f"{last} {now}\\n")
    last = now
    if log.tell() > 20_000_000:
        log.truncate(0)
"""


class Clock:
    """`with Clock(node) as clock:` runs it; frozen with the container, as all that is in it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._report = Path(node.socket).parent / "clock"

    def __enter__(self) -> Clock:
        folder = self._node.merged / "opt/busy"
        command = [sys.executable, "-c", _PROGRAM, str(folder), str(self._report)]
        self._process = subprocess.Popen(command)
        for path in _cgroups(self._pid()):
            (path / "cgroup.procs").write_text(str(self._process.pid))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait(20)

    def longest(self, start: float, end: float) -> float:
        """The longest gap that has something of this time, in seconds."""
        time.sleep(0.05)
        gaps = [line.split() for line in self._report.read_text().splitlines()]
        found = [(float(one[0]), float(one[1])) for one in gaps if len(one) == 2]
        return max(
            (last - first for first, last in found if last > start and first < end),
            default=0.0,
        )

    def _pid(self) -> int:
        for line in run([*self._node.ctr, "tasks", "ls"]).splitlines():
            fields = line.split()
            if fields[0] == self._node.container_id:
                return int(fields[1])
        raise RuntimeError("the container does not run")


def _cgroups(pid: int) -> list[Path]:
    """Where a process is frozen: the freezer of cgroup v1, or its one cgroup of v2."""
    found = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        found[names] = path.lstrip("/")
    if "freezer" in found:
        return [Path("/sys/fs/cgroup/freezer") / found["freezer"]]
    return [Path("/sys/fs/cgroup") / found[""]]
