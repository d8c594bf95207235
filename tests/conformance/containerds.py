"""The containerds that the conformance tests run on: devcluster's 2.x, and Debian's 1.6."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .registries import find_built

MISSING = "no containerd 2 with ctr, or no runc, on this machine: run devcluster once"
MISSING_OLD = "no containerd 1.6 on this machine: run scripts/install"

UNPACKS = """
[plugins.'io.containerd.transfer.v1.local']
  max_concurrent_unpacks = 4
"""
_CONFIG = """\
version = {version}
root = "{home}/root"
state = "{home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
[grpc]
address = "{home}/c.sock"
[ttrpc]
address = "{home}/t.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{home}/opt"
"""


@dataclass(frozen=True)
class Release:
    """A containerd with its shim and ctr beside it."""

    binary: str
    old: bool

    @property
    def folder(self) -> str:
        return str(Path(self.binary).parent)

    @property
    def local(self) -> list[str]:
        """What makes ctr of today do by itself what that of 1.6 always does."""
        return [] if self.old else ["--local"]


def find_containerd() -> Release | None:
    """containerd 2."""
    found = find_built("containerd") or shutil.which("containerd")
    return _release(found, old=False)


def find_old_containerd() -> Release | None:
    """containerd 1.6, unpacked by scripts/install and never installed."""
    place = Path(sys.prefix, "containerd-1.6/usr/bin/containerd")
    return _release(str(place) if place.exists() else None, old=True)


def _release(found: str | None, old: bool) -> Release | None:
    if found is None or shutil.which("runc") is None:
        return None
    return Release(found, old) if (Path(found).parent / "ctr").exists() else None


class Daemon:
    """A private containerd, which a test can kill and start again."""

    def __init__(self, command: list[str], ctr: list[str], log: Path) -> None:
        folder = str(Path(command[0]).parent)
        self._environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
        self.ctr = ctr
        self._command, self._log = command, log
        self._process = self._start()

    def restart(self) -> None:
        """As after a crash: its containers stay as they are."""
        self._process.kill()
        self._process.wait(20)
        self._process = self._start()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _start(self) -> subprocess.Popen[bytes]:
        with open(self._log, "ab") as log:
            process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            asked = subprocess.run([*self.ctr, "version"], capture_output=True)
            if asked.returncode == 0:
                return process
            time.sleep(0.1)
        process.kill()
        process.wait()
        raise RuntimeError(
            f"containerd did not start:\n{self._log.read_text()[-3000:]}"
        )


@contextmanager
def running(release: Release, home: Path, logs: Path) -> Iterator[Daemon]:
    """A private containerd with everything below `home`."""
    config = home / "config.toml"
    text = _CONFIG.format(home=home, version=2 if release.old else 3)
    # As devcluster has it: the layers of one image are unpacked side by side.
    config.write_text(text + ("" if release.old else UNPACKS))
    ctr = [f"{release.folder}/ctr", "--address", f"{home}/c.sock"]
    ctr += ["--namespace", "k8s.io"]
    command = [release.binary, "--config", str(config)]
    daemon = Daemon(command, ctr, logs / "containerd.log")
    try:
        yield daemon
    finally:
        daemon.stop()
