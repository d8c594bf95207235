"""A component's process: started apart from this one, found again by a record on disk.

Guarantees:

- a record never matches another process that got the same number later, because it holds the
  start time of the process too;
- a process outlives the command that started it and has no terminal.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

LOG_LIMIT = 8 * 1024 * 1024
"""A log longer than this is put aside (one generation) when its component starts again."""


def start_time(pid: int) -> int | None:
    """Clock ticks between the machine's start and the process's, or None for no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # A zombie has ended: only its parent has not looked yet.
    return None if fields[0] in "ZX" else int(fields[19])


class Process:
    """One named process of the cluster."""

    def __init__(self, name: str, *, records: Path, logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._record = records / f"{name}.json"

    @property
    def pid(self) -> int | None:
        """The number of the living process, or None."""
        try:
            record = json.loads(self._record.read_text())
        except (FileNotFoundError, ValueError):
            return None
        pid, started = int(record["pid"]), start_time(int(record["pid"]))
        # A program that ends at once leaves a record without a start time.
        return pid if started is not None and started == record["start_time"] else None

    def start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
        """Start the program and record it; the caller has checked that it does not run."""
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                list(arguments),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        record = {"pid": child.pid, "start_time": start_time(child.pid)}
        self._record.write_text(json.dumps(record))
        # The child is left to init on purpose; Popen would warn that nobody waited for it.
        child.returncode = 0
        return child.pid

    def ended(self) -> bool:
        """Whether the recorded process is gone; reaps it when it was a child of this command."""
        pid = self.pid
        if pid is None:
            return True
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass
        return self.pid is None

    def stop(self, patience: float) -> None:
        """End the process: asked first, forced after `patience` seconds; the record goes too."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + patience
            while not self.ended() and time.monotonic() < deadline:
                time.sleep(0.05)
            if not self.ended():
                os.kill(pid, signal.SIGKILL)
                while not self.ended():
                    time.sleep(0.02)
        self._record.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        if not self.log.exists():
            return "(no log)"
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 20_000))
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])
