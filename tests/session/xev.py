"""A program of the desktop that writes down the keys it gets."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from .xserver import XServer


class Xev:
    """One window; `keys` is what it got."""

    def __init__(self, server: XServer, log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                ["xev", "-display", server.display, "-geometry", "600x400+0+0"],
                stdout=file,
            )
        deadline = time.monotonic() + 10
        while b"MapNotify" not in log.read_bytes() and time.monotonic() < deadline:
            time.sleep(0.05)

    def keys(self) -> list[str]:
        """The names of the keys that were pressed."""
        found = r"KeyPress event.*?keysym 0x[0-9a-f]+, (\w+)\)"
        names = re.findall(found, self._log.read_text(errors="replace"), flags=re.S)
        # The server presses Shift by itself for what its own layout has on that level.
        return [name for name in names if not name.startswith(("Shift", "ISO_Level"))]

    def wait_for(self, wanted: list[str]) -> None:
        deadline = time.monotonic() + 10
        while self.keys() != wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.keys() == wanted

    def held(self) -> dict[str, str]:
        """The keys that were pressed and are not up again, by their codes."""
        found = (
            r"Key(Press|Release) event.*?keycode (\d+) \(keysym 0x[0-9a-f]+, (\w+)\)"
        )
        held: dict[str, str] = {}
        log = self._log.read_text(errors="replace")
        for kind, code, name in re.findall(found, log, flags=re.S):
            held[code] = name
            if kind == "Release":
                del held[code]
        return held

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
