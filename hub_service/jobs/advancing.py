"""What commits and builds have in common on their way to an end."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hub_service.errors import Unavailable, sentence
from hub_service.models import CANCELLED, FAILED, SUCCEEDED, Job

PATIENCE = timedelta(minutes=2)
"""How long a part may be silent before a job fails: an agent's restart takes seconds."""

WAITS_FOR_CLEANUP: dict[str, Any] = {"progress": {"waits_for": "cleanup"}}
"""The change of a job that may not begin while the image store takes no changes."""


def end(
    state: str,
    *,
    error: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the changes that end a job."""
    return {"state": state, "error": error, "result": result, "silent_since": None}


def wait(job: Job, error: Unavailable) -> dict[str, Any]:
    """Go on waiting for a silent part, or give up when it was silent too long."""
    now = datetime.now(UTC)
    since = job.silent_since or now
    if now - since > PATIENCE:
        return end(FAILED, error=error.to_dict())
    return {"silent_since": since}


def still_going() -> Unavailable:
    """Return why the end of a job has to wait: what it left is not all there yet."""
    return Unavailable(
        "still_going",
        sentence("What ran for this job has not let go of everything yet."),
    )


def stamped(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes with the moment, when they are an end."""
    if changes.get("state") in (SUCCEEDED, FAILED, CANCELLED):
        return {**changes, "ended": datetime.now(UTC)}
    return changes
