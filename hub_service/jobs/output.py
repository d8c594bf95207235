"""Reads what the steps of a build tell (pure); format: image_builder/events.py."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class BuildOutput:
    """What is known of a build from its output so far."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    """The Dockerfile's instructions: name, state, seconds."""
    bytes: tuple[int, int] = (0, 0)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took that has ended."""
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    def read(self, line: str) -> str:
        """Take a line in; return what of it belongs into the log that people read."""
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            # A step that broke says why in words of its own.
            return f"{line}\n"
        if "steps" in event:
            self.steps = event["steps"]
        elif "bytes" in event:
            self.bytes = (event["bytes"][0], event["bytes"][1])
        elif "ended" in event:
            self.seconds[event["ended"]] = event["seconds"]
        elif "result" in event:
            self.result = event["result"]
        elif "error" in event:
            self.error = event["error"]
        return str(event.get("log", ""))
