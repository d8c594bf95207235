"""What the agent counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from snapshot_agent.status import Status

# From what nobody notices to what nobody would wait for.
_FREEZE = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STEP = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


class Metrics:
    """One registry of its own, so that two agents in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.active = Gauge(
            "desktops_agent_active_saves",
            "Saves under way on this node.",
            registry=self.registry,
        )
        self._saves = Counter(
            "desktops_agent_saves",
            "Saves that ended, by how.",
            ["state", "code"],
            registry=self.registry,
        )
        self._steps = Histogram(
            "desktops_agent_step_seconds",
            "How long the steps of saves took.",
            ["step"],
            buckets=_STEP,
            registry=self.registry,
        )
        self._freeze = Histogram(
            "desktops_agent_freeze_seconds",
            "How long desktops stood still.",
            buckets=_FREEZE,
            registry=self.registry,
        )
        self._bytes = Counter(
            "desktops_agent_new_bytes",
            "Compressed bytes of new layers.",
            registry=self.registry,
        )

    def ended(self, status: Status) -> None:
        """Count a save that has ended."""
        code = status.error.code if status.error else ""
        self._saves.labels(status.state.value, code).inc()
        for step in status.steps:
            if step.state == "done":
                self._steps.labels(step.name).observe(step.seconds)
        if status.result is not None:
            self._freeze.observe(status.result["seconds"]["freeze"])
            self._bytes.inc(status.result["new_bytes"])

    def text(self) -> bytes:
        return generate_latest(self.registry)
