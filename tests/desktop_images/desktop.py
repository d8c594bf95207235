"""A desktop that runs on this machine with containerd alone."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
SERVER = f"{ROOT}/scripts/run-image"
STATE = Path.home() / ".cache/jupyterhub-desktops/run-image"
INSIDE = (
    "export DESKTOP_RUNTIME_DIR=/tmp/desktop-1000 DISPLAY=:1 LANG=en_US.UTF-8; "
    "export XAUTHORITY=$DESKTOP_RUNTIME_DIR/Xauthority; "
)

# How many colours the canvas has; a screen without a desktop has one or two.
COLOURS = """() => {
  const canvas = document.querySelector("#screen canvas");
  if (!canvas || canvas.width < 200) return 0;
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 97) {
    seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  return seen.size;
}"""


def keep_picture(page: Page, name: str) -> None:
    """What a person can look at after the tests."""
    page.screenshot(path=ROOT / f"test-results/{name}.png")


def wait_for(what: str, condition: Callable[[], object], seconds: float = 60) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.1)


class Desktop:
    """One running desktop; `address` is where its page is, signed in or not."""

    def __init__(
        self, reference: str, image: str, folder: Path, environment: dict[str, str]
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.name = f"test-{os.getpid()}-{port}"
        self._log = folder / "log"
        self.began = 0.0
        self.prefix = "/" + environment.get("NB_PREFIX", "").strip("/")
        self.address = f"http://127.0.0.1:{port}{self.prefix.rstrip('/')}/"
        own = {"DESKTOP_PORT": str(port), "RUN_IMAGE_NAME": self.name}
        clean = {k: v for k, v in os.environ.items() if k not in ("NB_PREFIX", "TZ")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [SERVER, image],
                env=clean | own | environment,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What the container wrote."""
        return self._log.read_text(errors="replace")

    @property
    def token(self) -> str:
        """The token of the address in the log; empty behind a gateway."""
        found = re.search(r"token=([0-9a-f]{40,})", self.log)
        return found[1] if found else ""

    def get(self, path: str) -> httpx.Response:
        """Ask the page's server, signed in."""
        headers = {"Authorization": f"token {self.token}"} if self.token else {}
        return httpx.get(
            self.address + path, headers=headers, timeout=90, follow_redirects=True
        )

    def _is_started(self) -> bool:
        assert self._process.poll() is None, self.log[-3000:]
        return "run-image: opening" in self.log

    def is_ready(self) -> bool:
        """The desktop can be shown."""
        assert self._process.poll() is None, self.log[-3000:]
        try:
            answer = self.get("desktop-save/ready")
        except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError):
            return False
        return answer.is_success and bool(answer.json()["ready"])

    def wait_until_ready(self) -> None:
        """Building and unpacking may take minutes the first time; `began` is after them."""
        wait_for("the container", self._is_started, 1500)
        self.began = time.time()
        wait_for("the desktop", self.is_ready, 120)

    def painted_after(self, page: Page) -> float:
        """Open it in a browser; return the seconds from asking for the container to its picture."""
        token = f"?token={self.token}" if self.token else ""
        page.goto(f"{self.address}desktop/{token}")
        wait_for("the picture", lambda: (page.evaluate(COLOURS) or 0) > 50)
        return time.time() - self.began

    def run(self, script: str, check: bool = True) -> str:
        """Run bash in it as its user, and give what it wrote."""
        command = [*self._ctr(), "tasks", "exec", "--exec-id", f"t{time.time_ns()}"]
        command += ["--user", "1000", self.name, "bash", "-c", INSIDE + script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        # ctr's own words are not the program's.
        words = done.stderr.splitlines(keepends=True)
        return done.stdout + "".join(one for one in words if "DEPRECATION" not in one)

    def memory(self) -> int:
        """Bytes that its programs hold, without files that are cached."""
        pattern = f"**/desktops/{self.name}/memory.stat"
        stat = next(Path("/sys/fs/cgroup").glob(pattern)).read_text()
        values = dict(line.split() for line in stat.splitlines())
        return int(values.get("total_rss", values.get("anon", "0")))

    def stop(self) -> None:
        """Ctrl+C, as a person would."""
        self._process.terminate()
        self._process.wait(60)

    def is_left(self) -> bool:
        """Something of it is there, though it has ended."""
        command = ["ps", "-eo", "args"]
        return self.name in subprocess.check_output(command, text=True)

    @staticmethod
    def _ctr() -> list[str]:
        cache = Path.home() / ".cache/devcluster"
        found = [*cache.glob("containerd-*/ctr"), Path("/usr/bin/ctr")]
        found += [ROOT / ".venv/containerd-1.6/usr/bin/ctr"]
        program = next(str(one) for one in found if one.exists())
        address = str(STATE / "containerd.sock")
        return [program, "--address", address, "--namespace", "desktops"]
