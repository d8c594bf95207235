"""What a save tells about itself while it is under way and after. No I/O."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from typing import Any

from snapshot_agent.errors import AgentError

STEPS = ("plan", "read", "freeze", "push", "manifest")


class State(enum.Enum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass
class Step:
    """One step: when it ran and how far it came."""

    name: str
    state: str = "waiting"
    bytes_done: int = 0
    bytes_total: int | None = None
    started: float = 0.0
    ended: float = 0.0
    # Of the bytes that are done, those that were so when it began.
    before: int = 0

    @property
    def seconds(self) -> float:
        if self.state == "waiting":
            return 0.0
        return (self.ended or time.monotonic()) - self.started

    def add(self, count: int) -> None:
        """Count bytes; called from whatever thread moves them, one at a time."""
        self.bytes_done += count

    def had(self, count: int) -> None:
        """So many bytes were done before it began: they tell nothing of how fast it is."""
        self.before += count
        self.bytes_done += count

    def expect(self, count: int) -> None:
        """So many more bytes are to come."""
        self.bytes_total = (self.bytes_total or 0) + count

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "seconds": round(self.seconds, 4),
            "bytes_done": self.bytes_done,
            "bytes_total": self.bytes_total,
        }


@dataclass
class Status:
    """One save from its start to an hour after its end.

    - one step runs at a time, in the order of STEPS;
    - bytes and rate are those of the current step, and bytes_done never exceeds bytes_total;
    - an end is an end: nothing changes it.
    """

    id: str
    state: State = State.RUNNING
    steps: list[Step] = field(default_factory=lambda: [Step(name) for name in STEPS])
    result: dict[str, Any] | None = None
    error: AgentError | None = None
    ended: float | None = None
    _current: int = 0

    def begin(self, name: str, total: int | None = None) -> Step:
        """End the step before and start this one."""
        self._close("done")
        self._current = STEPS.index(name)
        step = self.steps[self._current]
        step.state, step.started, step.bytes_total = "running", time.monotonic(), total
        step.bytes_done, step.before, step.ended = 0, 0, 0.0
        return step

    def reach(self, done: int) -> None:
        """So many bytes of the current step are done."""
        self.steps[self._current].bytes_done = done

    def succeed(self, result: dict[str, Any]) -> None:
        self._close("done")
        self.result = result
        self._end(State.SUCCEEDED)

    def fail(self, error: AgentError, state: State = State.FAILED) -> None:
        self._close("failed")
        self.error = error
        self._end(state)

    def seconds(self, name: str) -> float:
        return round(self.steps[STEPS.index(name)].seconds, 4)

    def to_dict(self) -> dict[str, Any]:
        step = self.steps[self._current]
        total, done, seconds = step.bytes_total, step.bytes_done, step.seconds
        if total is not None:
            # What grows while it is read: the total is an estimate until then.
            total = max(total, done)
        return {
            "id": self.id,
            "state": self.state.value,
            "step": step.name,
            "bytes_done": done,
            "bytes_total": total,
            "rate": round((done - step.before) / seconds) if seconds > 0 else 0,
            "steps": [one.to_dict() for one in self.steps],
            "result": self.result,
            "error": self.error.to_dict() if self.error else None,
        }

    def _close(self, state: str) -> None:
        step = self.steps[self._current]
        if step.state == "running":
            step.state, step.ended = state, time.monotonic()

    def _end(self, state: State) -> None:
        self.state, self.ended = state, time.monotonic()
