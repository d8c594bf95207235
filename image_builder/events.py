"""What a step tells: one JSON object a line.

{"log": "text\\n"}       a part of the log that people read
{"steps": [...]}        how far the Dockerfile's instructions are: name, state, seconds
{"bytes": [done, all]}  of the base image that is being fetched, or of the result being sent
{"ended": "push", "seconds": 1.2}  a step ended
{"result": {...}}       the image that is in the registry
{"error": {...}}        why the step failed: code, message, details
"""

import json
from typing import Any

from image_builder.errors import BuildError

LOG_LIMIT = 8 << 20
"""Bytes of log; kubelet keeps 10 MB of a container's output before it turns the file over."""


class Log:
    """Tells the log, up to a limit; what comes after is left out, and that is said."""

    def __init__(self, limit: int = LOG_LIMIT) -> None:
        self._left = limit

    def write(self, text: str) -> None:
        """Tell some lines."""
        if self._left <= 0:
            return
        self._left -= len(text.encode("utf-8", "replace"))
        tell(log=text)
        if self._left <= 0:
            tell(log="\nThe log is longer than is kept: the rest is left out.\n")


def tell(**event: Any) -> None:
    """Tell one thing."""
    print(json.dumps(event), flush=True)


def failed(error: BuildError) -> None:
    """Tell why a step ends early."""
    tell(
        error={"code": error.code, "message": str(error), "details": error.details},
    )
