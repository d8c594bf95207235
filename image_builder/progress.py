"""Turns what BuildKit says while it solves into a log and steps for people (pure).

Format: `buildctl --progress=rawjson`, client.SolveStatus of BuildKit v0.33.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FROM = re.compile(r"^\[.*\] FROM (\S+)@(sha256:[0-9a-f]{64})$")
STAGE = re.compile(r"^\[(?!internal)")
LINE = 16 * 1024
"""Characters of a line without an end that are kept."""


@dataclass
class Vertex:
    """One thing that BuildKit does: an instruction, or work of its own."""

    name: str
    state: str = "waiting"
    seconds: float = 0.0
    started: datetime | None = None
    number: int = 0
    """In the order in which they begin; 0 = not begun."""
    error: str = ""
    line: str = ""
    """What it wrote since its last line's end."""
    bytes: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def instruction(self) -> bool:
        """True for what stands in the Dockerfile."""
        return STAGE.match(self.name) is not None


class Progress:
    """Reads lines of rawjson; yields events (events.py) that changed something."""

    def __init__(self) -> None:
        self._vertices: dict[str, Vertex] = {}
        self._begun = 0
        self._bytes = (0, 0)
        self.bases: dict[str, str] = {}
        """Image -> digest of every FROM."""

    def read(self, line: str) -> Iterator[dict[str, Any]]:
        """Yield what a line means; one that is no JSON means nothing."""
        try:
            status = json.loads(line)
        except ValueError:
            return
        for one in status.get("vertexes") or ():
            yield from self._vertex(one)
        for one in status.get("logs") or ():
            yield from self._log(one)
        for one in status.get("statuses") or ():
            yield from self._moved(one)

    @property
    def failure(self) -> Vertex | None:
        """The instruction that failed."""
        failed = [one for one in self._vertices.values() if one.state == "failed"]
        return failed[0] if failed else None

    def _vertex(self, one: dict[str, Any]) -> Iterator[dict[str, Any]]:
        vertex = self._vertices.setdefault(one["digest"], Vertex(one["name"]))
        before = vertex.state
        _update(vertex, one)
        base = FROM.match(vertex.name)
        if base:
            self.bases[base[1]] = base[2]
        shown = vertex.instruction or vertex.state == "failed"
        if vertex.state == before or not shown:
            return
        if not vertex.number:
            self._begun += 1
            vertex.number = self._begun
            yield {"log": f"#{vertex.number} {vertex.name}\n"}
        # A base image comes and is unpacked layer by layer, each time begun and done.
        if not base or vertex.state == "failed":
            yield {"log": _end_of(vertex)}
        yield {"steps": self._steps()}

    def _log(self, one: dict[str, Any]) -> Iterator[dict[str, Any]]:
        vertex = self._vertices.get(one["vertex"])
        if vertex is None:
            return
        text = base64.b64decode(one["data"]).decode("utf-8", "replace")
        since = 0.0
        if vertex.started and one.get("timestamp"):
            since = (_moment(one["timestamp"]) - vertex.started).total_seconds()
        *lines, vertex.line = (vertex.line + text.replace("\r\n", "\n")).split("\n")
        # A progress bar paints one line again and again: its last state is enough.
        vertex.line = vertex.line.rpartition("\r")[2][-LINE:]
        painted = [line.rpartition("\r")[2] for line in lines]
        if painted:
            start = f"#{vertex.number} {since:.1f} "
            yield {"log": "".join(f"{start}{line}\n" for line in painted)}

    def _moved(self, one: dict[str, Any]) -> Iterator[dict[str, Any]]:
        vertex = self._vertices.get(one["vertex"])
        if (
            vertex is None
            or not one.get("total")
            or not one["id"].startswith("sha256:")
        ):
            return
        vertex.bytes[one["id"]] = (one["current"], one["total"])
        every = [
            pair for each in self._vertices.values() for pair in each.bytes.values()
        ]
        now = (sum(done for done, _ in every), sum(total for _, total in every))
        # Not a line for every packet.
        if now[0] == now[1] or abs(now[0] - self._bytes[0]) > max(now[1], 1) / 100:
            self._bytes = now
            yield {"bytes": list(now)}

    def _steps(self) -> list[dict[str, Any]]:
        shown = [one for one in self._vertices.values() if one.instruction]
        begun = sorted((one for one in shown if one.number), key=lambda one: one.number)
        # BuildKit announces them from the last to the first.
        waiting = [one for one in reversed(shown) if not one.number]
        return [
            {"name": one.name, "state": one.state, "seconds": round(one.seconds, 2)}
            for one in [*begun, *waiting]
        ]


def _update(vertex: Vertex, one: dict[str, Any]) -> None:
    if one.get("error"):
        vertex.state, vertex.error = "failed", one["error"]
    elif one.get("cached"):
        vertex.state = "cached"
    elif one.get("completed"):
        vertex.state = "done"
    elif one.get("started"):
        vertex.state = "running"
    if one.get("started"):
        vertex.started = _moment(one["started"])
        if one.get("completed"):
            span = _moment(one["completed"]) - vertex.started
            vertex.seconds = max(vertex.seconds, span.total_seconds())


def _end_of(vertex: Vertex) -> str:
    rest, vertex.line = vertex.line, ""
    text = f"#{vertex.number} {rest}\n" if rest else ""
    if vertex.state == "done":
        return f"{text}#{vertex.number} done {vertex.seconds:.1f} s\n"
    if vertex.state == "cached":
        return f"{text}#{vertex.number} from the cache\n"
    if vertex.state == "failed":
        return f"{text}#{vertex.number} failed: {vertex.error}\n"
    return text


def _moment(text: str) -> datetime:
    # Go writes nanoseconds; datetime reads microseconds.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
