"""How far a build is, and why it failed, from its output and its pod (pure)."""

import re
from typing import Any

from hub_service.clients.workloads import WorkloadPod
from hub_service.errors import Conflict, PublicError, sentence
from hub_service.jobs.output import BuildOutput
from hub_service.jobs.share import share_of
from hub_service.models import Job

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")
FROM = re.compile(r"\[.*\] FROM ")

STAGES = {"fetch": "fetch", "guard": "fetch", "build": "build", "push": "push"}
"""Container -> what people are told of."""

SENTENCES = {
    "build_failed": sentence(
        "The build stopped at {step}. The log says why; nothing of yours was changed."
    ),
    "source_denied": sentence(
        "The build asked for an image or an address that is not one of the tested images, "
        "and was stopped. Nothing of yours was changed."
    ),
    "disk_full": sentence(
        "The build needed more disk space than it has. Remove what is not needed in the same "
        "RUN that brings it, or ask your administrator for more."
    ),
    "context_unreadable": sentence(
        "The archive with your files cannot be unpacked. Send a tar, tar.gz or zip."
    ),
    "context_too_large": sentence(
        "The archive unpacks to more than a build takes. Leave files out and send it again."
    ),
    "context_gone": sentence(
        "The files for this build are not here any more. Send them again."
    ),
    "guard_failed": sentence(
        "The network of the build could not be closed, so it was not run. "
        "Tell your administrator."
    ),
    "builder_broken": sentence(
        "The program that builds does not start in this cluster. Tell your administrator."
    ),
    "registry_unavailable": sentence(
        "The image was built, but the image store did not take it. Try again in a minute: "
        "what was built is kept."
    ),
    "OOMKilled": sentence(
        "The build needed more memory than it has. Install less in one step, or ask your "
        "administrator for more."
    ),
    "DeadlineExceeded": sentence(
        "The build took longer than is allowed and was stopped. Do less in one build, or ask "
        "your administrator for more time."
    ),
    "Evicted": sentence(
        "The machine ran out of disk space and stopped the build. Try again later, or tell "
        "your administrator."
    ),
}
OTHER = sentence(
    "The build ended without a result. Try again, or tell your administrator."
)
CODES = {
    "OOMKilled": "build_memory",
    "DeadlineExceeded": "build_too_long",
    "Evicted": "disk_full",
}


def progress_of(job: Job, output: BuildOutput, pod: WorkloadPod) -> dict[str, Any]:
    """Return a job's progress: step, steps, bytes, share."""
    step = "fetch"
    for container, stage in STAGES.items():
        if pod.states.get(container, "waiting") != "waiting":
            step = stage
    done, total = output.bytes
    counted = {"bytes_done": done, "bytes_total": total} if total else {}
    steps = _steps(output, pod, step, counted)
    return {
        "step": step,
        "steps": steps,
        "bytes_done": done,
        "bytes_total": total or None,
        "rate": 0,
        "share": share_of(job, steps),
    }


def _steps(
    output: BuildOutput, pod: WorkloadPod, current: str, counted: dict[str, int]
) -> list[dict[str, Any]]:
    """Return the steps; `counted` are the bytes of the base that comes, or of what is sent."""
    states = pod.states
    return [
        {
            "name": "fetch",
            "state": states.get("guard", "waiting"),
            "seconds": _took(output, "fetch", "guard"),
        },
        # Which image it was is with the version; here its digest would only hide the step.
        *(
            {
                **step,
                "name": DIGEST.sub("", step["name"]),
                **(counted if current == "build" and FROM.match(step["name"]) else {}),
            }
            for step in output.steps
        ),
        {
            "name": "push",
            "state": "done" if output.result else states.get("push", "waiting"),
            "seconds": _took(output, "push"),
            **(counted if current == "push" and not output.result else {}),
        },
    ]


def build_error(output: BuildOutput, pod: WorkloadPod) -> PublicError:
    """Return why a build has no result."""
    error = output.error or {}
    # A container that is killed tells nothing itself.
    known = pod.reason if pod.reason in CODES else error.get("code", "")
    details = {**error.get("details", {}), "why": error.get("message", pod.reason)}
    step = str(details.get("step", "")) or "?"
    return Conflict(
        CODES.get(known, known or "build_failed"),
        SENTENCES.get(known, OTHER),
        details=details,
        **({"step": step[:200]} if known == "build_failed" else {}),
    )


def _took(output: BuildOutput, *names: str) -> float:
    return round(sum(output.seconds.get(name, 0.0) for name in names), 2)
