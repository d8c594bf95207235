"""Jobs, images and errors as a person sees them: in their language, with links (pure)."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from desktop_i18n import Translate
from hub_service.building.dockerfile import Problem
from hub_service.errors import PublicError, sentence
from hub_service.images.picture_links import PictureLinks
from hub_service.models import (
    BUILD,
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SCAN,
    SUCCEEDED,
    TRIALS,
    Cleanup,
    Image,
    Job,
    Server,
    Version,
    moment,
)
from hub_service.pages.figures import people_bytes
from hub_service.rules.naming import image_path, start_link
from hub_service.rules.retention_plan import DELETED, Plan

AGENT_SENTENCES = {
    "registry_unavailable": sentence(
        "Not saved: the image store did not answer. Your desktop is unharmed and nothing was lost. "
        "Try again in a minute."
    ),
    "registry_refused": sentence(
        "Not saved: the image store refused the image. Your desktop is unharmed. "
        "Tell your administrator."
    ),
    "container_gone": sentence(
        "Not saved: the desktop stopped before everything was read. Start it again and save again."
    ),
    "pod_not_found": sentence(
        "Not saved: this desktop is not running any more, so there is nothing to save."
    ),
    "server_not_running": sentence(
        "Not saved: this desktop is not running any more, so there is nothing to save."
    ),
    "disk_full": sentence(
        "Not saved: the machine has too little free disk space to pack the image. "
        "Your desktop is unharmed. Remove big files or tell your administrator."
    ),
    "base_unavailable": sentence(
        "Not saved: a part of the image that this desktop was started from cannot be found any "
        "more. Your desktop is unharmed. Tell your administrator."
    ),
    "unsupported_container": sentence(
        "Not saved: this kind of container cannot be saved. Your desktop is unharmed. "
        "Tell your administrator."
    ),
    "base_unknown": sentence(
        "Not saved: it is not known from which image this desktop was started. Your desktop is "
        "unharmed. Stop it, start it again from its image, and save again."
    ),
    "secret_found": sentence(
        "Not saved: the desktop's own access keys are in several large files, {path} for one. "
        "Your desktop is unharmed. Delete that file and save again."
    ),
    "forbidden": sentence(
        "Not saved: the program that reads desktops refused. Your desktop is unharmed. "
        "Tell your administrator."
    ),
    "too_many_layers": sentence(
        "Not saved: this desktop stands on so many saves that one more could not be started. "
        "Your desktop is unharmed. Start again from the first image, or build the image from a "
        "list of packages."
    ),
    "no_room_to_join": sentence(
        "Not saved: this desktop stands on so many saves that they have to become one first, and "
        "there is no room for that. Your desktop is unharmed. Delete versions in My images that "
        "you no longer need, or ask your administrator for more room."
    ),
    "too_much": sentence(
        "Not saved: this desktop has changed more than one save may hold. Your desktop is "
        "unharmed. Leave large folders out, or ask an administrator for a higher limit."
    ),
    "node_error": sentence(
        "Not saved: this desktop's machine did not do what was asked of it. Your desktop is "
        "unharmed. Try again, or tell your administrator."
    ),
    "save_in_progress": sentence("This desktop is being saved already."),
    "too_many_saves": sentence(
        "Too many desktops are being saved on this machine just now. Try again in a minute."
    ),
    "internal_error": sentence(
        "Not saved: something went wrong on our side. Your desktop is unharmed. "
        "Try again, or tell your administrator."
    ),
}
"""The words for what an agent reports; its own sentence is among the details."""

VISIBILITY_WORDS = (sentence("private"), sentence("shared"), sentence("published"))
"""Marked here for the catalogues: the templates translate a value."""


def error_view(error: dict[str, Any], _: Translate) -> dict[str, Any]:
    """Return an error's wire form: code, sentence in the person's language, details."""
    template = AGENT_SENTENCES.get(error["code"])
    if template and error.get("agent"):
        details = {**error["details"], "reported": error["text"]}
        message = _(template, path=details.get("path", ""))
        return {"code": error["code"], "message": message, "details": details}
    if error["code"] == "dockerfile_refused":
        return _refused_view(error, _)
    text, values = error["text"], _with_units(error["values"], _)
    message = _(text, **values)
    return {"code": error["code"], "message": message, "details": error["details"]}


def _with_units(values: dict[str, Any], _: Translate) -> dict[str, Any]:
    """Return an error's values, with those that are bytes in the units people use."""
    return {
        name: people_bytes(int(value), _) if name.endswith("_bytes") else value
        for name, value in values.items()
    }


def public_error_view(error: PublicError, _: Translate) -> dict[str, Any]:
    """Return the wire form of an error that was just raised."""
    return error_view(error.to_dict(), _)


def _refused_view(error: dict[str, Any], _: Translate) -> dict[str, Any]:
    """Return what is wrong with a Dockerfile, each problem in the person's language."""
    found = [Problem(**one) for one in error["details"]["problems"]]
    views = problem_views(found, _)
    template = error["text"]
    message = _(template, line=views[0]["line"], problem=views[0]["message"])
    return {"code": error["code"], "message": message, "details": {"problems": views}}


def problem_views(found: Sequence[Problem], _: Translate) -> list[dict[str, Any]]:
    """Return problems of a Dockerfile: line, rule, and a sentence."""
    return [
        {"line": one.line, "rule": one.rule, "message": _(one.text, **one.values)}
        for one in found
    ]


class Views:
    """Makes the wire forms that hold links; links are paths on the hub's host."""

    def __init__(self, prefix: str, hub_prefix: str, pictures: PictureLinks) -> None:
        self.prefix = prefix
        self.hub_prefix = hub_prefix
        self._pictures = pictures

    def image(self, image: Image) -> dict[str, Any]:
        """Return an image's wire form with its links."""
        page = image_path(image.owner, image.name)
        links = {
            "self": f"{self.prefix}api/v1/{page}",
            "page": f"{self.prefix}{page}",
        }
        if self.hub_prefix:
            links["start"] = self.start(image.owner, image.name)
        active = image.active_version
        if active and (picture := self.picture(image, active)):
            links["picture"] = picture
        return {**image.to_dict(), "links": links}

    def picture(self, image: Image, version: Version) -> str:
        """Return the link to a version's picture; empty = it has none."""
        if not version.passed:
            return ""
        return self._pictures.link(image.owner, image.name, version.number, time.time())

    def attempt(self, owner: str, name: str, number: int) -> str:
        """Return the link that starts one version for its owner, as a server of its own.

        Empty without a hub: Kubeflow's own form starts what is given there by its reference.
        """
        if not self.hub_prefix:
            return ""
        server = Server(owner, f"{name}-v{number}")
        return start_link(self.hub_prefix, server, f"{owner}/{name}@{number}")

    def start(self, owner: str, name: str) -> str:
        """Return the link that starts an image, and asks where an older version runs."""
        return f"{self.prefix}start/{quote(owner, safe='')}/{quote(name, safe='')}"

    def spawn(self, user: str, owner: str, name: str) -> str:
        """Return the hub's link that starts an image as a server named like it."""
        return start_link(self.hub_prefix, Server(user, name), f"{owner}/{name}")

    def plan(self, plan: Plan, _: Translate) -> dict[str, Any]:
        """Return a dry run of the retention rule with what became of each version."""
        items = [
            {**asdict(one), "why": error_view(one.why, _) if one.why else None}
            for one in plan.items
        ]
        return {
            "id": plan.id,
            "days": plan.days,
            "made": plan.made.isoformat(),
            "made_by": plan.made_by,
            "ran": moment(plan.ran),
            "ran_by": plan.ran_by,
            "bytes": sum(one.bytes for one in plan.items),
            "freed_bytes": plan.bytes_of(DELETED),
            "items": items,
        }

    def job(self, job: Job, _: Translate) -> dict[str, Any]:
        """Return a job's wire form; design: the wire of section 5."""
        page = image_path(job.owner, job.image)
        progress = job.progress or {}
        return {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            "server": job.server.to_dict(),
            "image": {"owner": job.owner, "name": job.image, "title": job.title},
            "version": job.number,
            "step": progress.get("step"),
            "steps": progress.get("steps") or [],
            "bytes_done": progress.get("bytes_done") or 0,
            "bytes_total": progress.get("bytes_total"),
            "rate": progress.get("rate") or 0,
            "share": 1 if job.state == SUCCEEDED else progress.get("share") or 0,
            "message": job_message(job, _),
            "error": error_view(job.error, _) if job.error else None,
            "result": job.result,
            "cancelling": job.cancel and job.unfinished,
            "staged": not job.request.get("activate", True),
            "created": job.created.isoformat(),
            "started": job.started.isoformat() if job.started else None,
            "ended": job.ended.isoformat() if job.ended else None,
            "links": {
                "self": f"{self.prefix}api/v1/jobs/{job.id}",
                "events": f"{self.prefix}api/v1/jobs/{job.id}/events",
                "log": f"{self.prefix}api/v1/jobs/{job.id}/log",
                "page": f"{self.prefix}jobs/{job.id}",
                "image": f"{self.prefix}{page}",
                **(self._starts(job) if self.hub_prefix else {}),
            },
        }

    def _starts(self, job: Job) -> dict[str, str]:
        return {
            "start": self.start(job.owner, job.image),
            "try": self.attempt(job.owner, job.image, job.number),
        }

    def cleanup(self, cleanup: Cleanup, _: Translate) -> dict[str, Any]:
        """Return a clean-up's wire form."""
        started, ended = cleanup.started, cleanup.ended
        return {
            "id": cleanup.id,
            "state": cleanup.state,
            "asked_by": cleanup.asked_by,
            "message": cleanup_message(cleanup, _),
            "error": error_view(cleanup.error, _) if cleanup.error else None,
            "bytes_before": cleanup.bytes_before,
            "bytes_after": cleanup.bytes_after,
            "created": cleanup.created.isoformat(),
            "started": started.isoformat() if started else None,
            "ended": ended.isoformat() if ended else None,
        }


def cleanup_message(cleanup: Cleanup, _: Translate) -> str:
    """Return where a clean-up stands."""
    if cleanup.error:
        return str(error_view(cleanup.error, _)["message"])
    return {
        QUEUED: _("Waiting for the end of saves and builds."),
        RUNNING: _("Cleaning up…"),
    }.get(cleanup.state, _("Done."))


def job_message(job: Job, _: Translate) -> str:
    """Return the one sentence that says where a job stands."""
    if job.state == FAILED and job.error:
        return str(error_view(job.error, _)["message"])
    if job.state == QUEUED and (job.progress or {}).get("waits_for") == "cleanup":
        return _(
            "The image store is being cleaned up; this begins in a few minutes. "
            "Nothing is lost."
        )
    if job.kind in TRIALS:
        return test_message(job, _)
    return build_message(job, _) if job.kind == BUILD else commit_message(job, _)


def test_message(job: Job, _: Translate) -> str:
    """Return where a start-test or a scan stands that did not fail."""
    if job.state == SUCCEEDED and job.kind == SCAN:
        return _("Version {number} was scanned.", number=job.number)
    if job.state == SUCCEEDED:
        return _("The desktop of version {number} came up.", number=job.number)
    if job.state == CANCELLED:
        return _("Cancelled. Nothing was published.")
    if job.cancel:
        return _("Cancelling…")
    if job.state == QUEUED or not (job.progress or {}).get("tries"):
        return _("Waiting to begin.")
    if job.silent_since:
        return _("A part of the system does not answer just now; we keep trying.")
    if job.progress.get("step") == "scan":
        return _("Looking for known vulnerabilities…")
    return _("Trying whether the desktop comes up…")


def commit_message(job: Job, _: Translate) -> str:
    """Return where a save stands that did not fail."""
    if job.state == SUCCEEDED:
        return _(
            "Saved as {title}, version {number}.", title=job.title, number=job.number
        )
    if job.state == CANCELLED:
        return _("Cancelled. Your desktop is unharmed and nothing was saved.")
    if job.cancel:
        return _("Cancelling… your desktop keeps running.")
    if job.silent_since:
        return _(
            "A part of the system does not answer just now; we keep trying. "
            "Your desktop is unharmed."
        )
    if job.state == QUEUED:
        return _("Waiting to begin. Your desktop keeps running.")
    return {
        "plan": _("Looking at what changed…"),
        "read": _("Reading what changed. Your desktop keeps running."),
        "freeze": _("Holding the desktop still for a moment…"),
        "push": _("Sending the image…"),
        "manifest": _("Checking…"),
        "test": _("Trying whether the desktop comes up…"),
    }.get((job.progress or {}).get("step") or "", _("Beginning…"))


def build_message(job: Job, _: Translate) -> str:
    """Return where a build stands that did not fail."""
    if job.state == SUCCEEDED:
        return _("Built {title}, version {number}.", title=job.title, number=job.number)
    if job.state == CANCELLED:
        return _("Cancelled. Nothing was built.")
    if job.cancel:
        return _("Cancelling…")
    if job.state == QUEUED:
        place = (job.progress or {}).get("place") or 1
        return _("Waiting: number {place} in the queue.", place=place)
    if job.silent_since:
        return _("A part of the system does not answer just now; we keep trying.")
    return {
        "fetch": _("Preparing…"),
        "build": _("Building…"),
        "push": _("Sending the image…"),
        "test": _("Trying whether the desktop comes up…"),
    }.get((job.progress or {}).get("step") or "", _("Beginning…"))
