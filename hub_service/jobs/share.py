"""How much of a job is done, as one figure (pure)."""

from collections.abc import Mapping, Sequence
from typing import Any

from hub_service.models import Job

WEIGHTS = {
    "plan": 3,
    "read": 50,
    "freeze": 2,
    "fetch": 3,
    "push": 38,
    "manifest": 2,
    "test": 20,
    "scan": 40,
}
"""Of the time of a usual job."""
INSTRUCTIONS = 60
"""Of all instructions of a Dockerfile together."""
TEST = {"name": "test", "state": "waiting"}


def share_of(job: Job, steps: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of a job that is done, from 0 to 1.

    - what was reached stays reached: a step that is found later, or begins again, takes
      nothing back
    - what is to be tried is not at its end before it was
    """
    names = [step["name"] for step in steps]
    if job.request.get("start_test") and "test" not in names:
        steps = [*steps, TEST]
    instructions = sum(name not in WEIGHTS for name in names)
    parts = [
        (WEIGHTS.get(step["name"], INSTRUCTIONS / max(1, instructions)), _done(step))
        for step in steps
    ]
    whole = sum(weight for weight, _ in parts)
    now = sum(weight * done for weight, done in parts) / whole if whole else 0.0
    before = float((job.progress or {}).get("share") or 0.0)
    return max(before, round(now, 3))


def _done(step: Mapping[str, Any]) -> float:
    total = step.get("bytes_total")
    if total and step["state"] != "waiting":
        return float(min(1.0, (step.get("bytes_done") or 0) / total))
    return 1.0 if step["state"] in ("done", "cached") else 0.0
