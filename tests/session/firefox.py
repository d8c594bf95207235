"""Debian's Firefox without a window, driven by WebDriver BiDi, which it speaks by itself."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import websocket

PROGRAM = Path("/usr/bin/firefox-esr")
PREFERENCES = {
    # Nobody outside is asked for anything.
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "toolkit.telemetry.enabled": False,
}


CONTROL = "\ue009"
"""WebDriver's name of the key."""


class Firefox:
    """One browser with a profile of its own below `folder`, in the languages it asks sites for."""

    def __init__(self, folder: Path, languages: str = "en-US") -> None:
        folder.mkdir()
        preferences = PREFERENCES | {"intl.accept_languages": languages}
        lines = [f'user_pref("{k}", {json.dumps(v)});' for k, v in preferences.items()]
        (folder / "user.js").write_text("\n".join(lines))
        log = folder / "log"
        command = [str(PROGRAM), "--headless", "--no-remote", "--profile", str(folder)]
        command += ["--remote-debugging-port", "0"]
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file)
        address = self._address(log)
        self._socket = websocket.create_connection(
            f"{address}/session", timeout=30, suppress_origin=True
        )
        self._serial = 0
        self._command("session.new", capabilities={})
        # The first tab is Firefox's own page, and a page loaded there never has the focus.
        made = self._command("browsingContext.create", type="tab")
        self._tab = {"context": made["context"]}
        size = {"width": 1100, "height": 700}
        self._command("browsingContext.setViewport", **self._tab, viewport=size)

    def _address(self, log: Path) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            found = re.search(r"BiDi listening on (ws://\S+)", log.read_text())
            if found:
                return found[1]
            time.sleep(0.1)
        self._process.kill()
        self._process.wait(10)
        raise RuntimeError(f"Firefox did not come up:\n{log.read_text()}")

    def _command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._serial += 1
        command = {"id": self._serial, "method": method, "params": parameters}
        self._socket.send(json.dumps(command))
        while True:
            answer = json.loads(self._socket.recv())
            # What is not an answer to this is an event.
            if answer.get("id") == self._serial:
                break
        assert answer["type"] == "success", answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        self._command("browsingContext.navigate", **self._tab, url=url, wait="complete")

    def ask(self, expression: str) -> Any:
        """The value of a piece of JavaScript, as JSON has it."""
        code = f"(async () => JSON.stringify([await ({expression})]))()"
        answer = self._command(
            "script.evaluate", expression=code, target=self._tab, awaitPromise=True
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])[0]

    def wait_for(self, expression: str, wanted: object = True) -> None:
        """Until the piece of JavaScript has this value."""
        deadline = time.monotonic() + 20
        while (got := self.ask(expression)) != wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        assert got == wanted, expression

    def click(self, selector: str) -> None:
        """Click into the middle of an element, as a hand does."""
        place = self.ask(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2].map(Math.round))"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        move = {"type": "pointerMove", "x": place[0], "y": place[1]}
        press = [{"type": f"pointer{way}", "button": 0} for way in ("Down", "Up")]
        self._act({"type": "pointer", "id": "mouse", "actions": [move, *press]})

    def hold(self, key: str, letter: str) -> None:
        """Press a letter while another key is down."""
        order = [("keyDown", key), ("keyDown", letter)]
        order += [("keyUp", letter), ("keyUp", key)]
        actions = [{"type": way, "value": pressed} for way, pressed in order]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def type(self, keys: str) -> None:
        """Press keys one after the other, by what they write."""
        actions = [
            {"type": way, "value": key} for key in keys for way in ("keyDown", "keyUp")
        ]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def _act(self, source: dict[str, Any]) -> None:
        self._command("input.performActions", **self._tab, actions=[source])

    def stop(self) -> None:
        """End it."""
        self._socket.close()
        self._process.terminate()
        self._process.wait(20)
