"""What a start-test found, from what its pod tells (pure)."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub_service.clients.workloads import WorkloadPod
from hub_service.errors import Conflict, PublicError, sentence
from hub_service.jobs.output import BuildOutput
from hub_service.models import Job, Picture
from hub_service.start_tests.pod import DESKTOP

PICTURE_LIMIT = 256 * 1024
"""Bytes; the tester's pictures have some 20 kB."""
MEDIA_TYPES = ("image/webp", "image/png")

SENTENCES = {
    "page": sentence(
        "Version {number} did not come up when it was tried: its desktop page did not answer. "
        "It is kept, and what others start stays as it was. The log says why."
    ),
    "display": sentence(
        "Version {number} did not come up when it was tried: its display did not start. "
        "It is kept, and what others start stays as it was. The log says why."
    ),
    "blank": sentence(
        "Version {number} did not come up when it was tried: its screen stayed empty. "
        "It is kept, and what others start stays as it was. The log says why."
    ),
    "ended": sentence(
        "Version {number} did not come up when it was tried: its desktop ended by itself. "
        "It is kept, and what others start stays as it was. The log says why."
    ),
    "time": sentence(
        "Version {number} could not be tried in the time that is allowed. It is kept, and what "
        "others start stays as it was. Try again, or tell your administrator."
    ),
    "room": sentence(
        "Version {number} could not be tried, for the cluster did not start it. It is kept, and "
        "what others start stays as it was. Try again, or tell your administrator."
    ),
}


@dataclass(frozen=True)
class Verdict:
    """How a start-test ended."""

    error: PublicError | None = None
    """Why it was not passed; None = it was."""
    seconds: float = 0.0
    picture: Picture | None = None

    def to_dict(self, job: Job) -> dict[str, Any]:
        """Return what is kept with the version."""
        return {
            "passed": self.error is None,
            "at": datetime.now(UTC).isoformat(),
            "seconds": self.seconds,
            "job": job.id,
        }


def verdict_of(
    job: Job, output: BuildOutput, pod: WorkloadPod, finished: bool
) -> Verdict | None:
    """Return the verdict, None while there is none; `finished` says that all output was read."""
    if output.result:
        seconds = float(output.result.get("seconds", 0))
        return Verdict(None, seconds, _picture(output.result.get("picture") or {}))
    if output.error:
        error = output.error
        details = {**error.get("details", {}), "why": error.get("message", "")}
        return failed(job, error.get("code", ""), **details)
    if pod.states.get(DESKTOP) in ("done", "failed"):
        return failed(job, "ended", why=pod.reason)
    if pod.ended and (finished or not pod.states):
        return failed(job, "time", why=pod.reason)
    return None


def failed(job: Job, code: str, **details: Any) -> Verdict:
    """Return the verdict of a test that was not passed."""
    return Verdict(
        Conflict(
            "start_test_failed",
            SENTENCES.get(code, SENTENCES["time"]),
            details={**details, "what": code},
            number=job.number,
        )
    )


def _picture(told: dict[str, Any]) -> Picture | None:
    """Return the picture, None for what is no picture of ours."""
    try:
        data = base64.b64decode(told["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    known = told.get("media_type") in MEDIA_TYPES and 0 < len(data) <= PICTURE_LIMIT
    return Picture(told["media_type"], data) if known else None
