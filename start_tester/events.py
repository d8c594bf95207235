"""What the test tells: one JSON object a line.

{"log": "text\\n"}   a part of the log that people read
{"result": {...}}   the desktop came up: colours, seconds, picture (media_type, data in base64)
{"error": {...}}    it did not: code, message, details
"""

import json
import time
from typing import Any

from start_tester.errors import StartError


class Log:
    """Tells the log, each line with the seconds since the test began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the test has taken."""
        return round(time.monotonic() - self._began, 2)

    def write(self, text: str) -> None:
        """Tell a line."""
        tell(log=f"start-test {self.seconds:6.2f} s  {text}\n")


def tell(**event: Any) -> None:
    """Tell one thing."""
    print(json.dumps(event), flush=True)


def failed(error: StartError) -> None:
    """Tell why the desktop did not come up."""
    tell(
        error={"code": error.code, "message": str(error), "details": error.details},
    )
