"""A real Xvnc on a unix socket, as a desktop's is, showing its plain root window."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

IMAGE = Path(__file__).parents[2] / "images/base/rootfs"
SCRIPT = (IMAGE / "usr/local/lib/desktop/run-display").read_text()
ACCESS = re.findall(r"-(?:SecurityTypes \S+|UseBlacklist=\S+)", SCRIPT)
"""Who may connect, as in the image."""


class XServer:
    """One server; its root window is X's own two-coloured weave."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        socket.unlink(missing_ok=True)
        read, write = os.pipe()
        command = ["Xvnc", "-displayfd", str(write), "-rfbunixpath", str(socket)]
        command += ["-rfbport", "-1", *" ".join(ACCESS).split()]
        command += ["-geometry", "1024x600"]
        command += [
            "-depth",
            "24",
            "-nolisten",
            "tcp",
            "-AcceptSetDesktopSize",
            "-AlwaysShared",
            "-retro",
        ]
        with open(os.devnull, "wb") as nowhere:
            self._process = subprocess.Popen(
                command, pass_fds=[write], stdout=nowhere, stderr=nowhere
            )
        os.close(write)
        with os.fdopen(read) as number:
            self.display = ":" + number.readline().strip()
        deadline = time.monotonic() + 20
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def copy(self, text: str) -> None:
        """Put text on its clipboard, as a program of the desktop does."""
        command = ["xsel", "--clipboard", "--input", "--display", self.display]
        subprocess.run(command, input=text.encode(), check=True)

    def wait_until_copied(self, text: str) -> None:
        """Until a program of the desktop could paste this."""
        command = ["xsel", "--clipboard", "--output", "--display", self.display]
        deadline = time.monotonic() + 10
        got = b""
        while got != text.encode() and time.monotonic() < deadline:
            time.sleep(0.1)
            got = subprocess.run(command, capture_output=True, check=False).stdout
        assert got.decode() == text

    def stop(self) -> None:
        """End it; its socket goes with it."""
        self._process.terminate()
        self._process.wait(10)
        self.socket.unlink(missing_ok=True)
