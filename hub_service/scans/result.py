"""What a scan found, from what its pod tells (pure).

The pod's last step has opened an image that may be hostile: nothing that it tells is taken over
unless it has the form and the size of a result.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub_service.clients.workloads import WorkloadPod
from hub_service.errors import PublicError, Unavailable, sentence
from hub_service.jobs.output import BuildOutput
from hub_service.models import Job
from hub_service.rules.scan_policy import SEVERITIES

LISTED = 500
"""Findings that are kept one by one."""
LENGTH = 200
"""Characters of each part of one."""
ALIASES = 5
SBOM_LIMIT = 1 << 20
"""Bytes, packed."""
PARTS = ("id", "severity", "package", "version", "kind", "fixed_in")

SENTENCES = {
    "database_unreachable": sentence(
        "Version {number} was not scanned: the database of known vulnerabilities did not answer. "
        "Nothing was changed. Try again later, or tell your administrator."
    ),
    "database_old": sentence(
        "Version {number} was not scanned: the database of known vulnerabilities is too old to "
        "say anything. Nothing was changed. Tell your administrator."
    ),
    "image_unavailable": sentence(
        "Version {number} was not scanned: the image store did not give the image. Nothing was "
        "changed. Try again, or tell your administrator."
    ),
    "too_large": sentence(
        "Version {number} was not scanned: it is larger than may be scanned. Nothing was "
        "changed. Tell your administrator."
    ),
    "time": sentence(
        "Version {number} was not scanned in the time that is allowed. Nothing was changed. "
        "Try again, or tell your administrator."
    ),
    "room": sentence(
        "Version {number} was not scanned, for the cluster did not begin it. Nothing was "
        "changed. Try again, or tell your administrator."
    ),
    "scanner_failed": sentence(
        "Version {number} was not scanned: the scanner ended with an error. Nothing was changed. "
        "The log says why."
    ),
}


@dataclass(frozen=True)
class Report:
    """What a scan found."""

    database: str
    """When the database was made that was asked."""
    packages: int
    counts: dict[str, int]
    fixable: int
    total: int
    findings: tuple[dict[str, Any], ...]
    """The worst ones."""
    sbom: bytes | None
    """CycloneDX in JSON, packed with gzip; None = too large to be kept."""

    def summary(self, job: Job) -> dict[str, Any]:
        """Return what is kept with the version itself."""
        now = datetime.now(UTC).isoformat()
        return {
            "at": now,
            "database": self.database,
            "packages": self.packages,
            "counts": self.counts,
            "fixable": self.fixable,
            "total": self.total,
            "listed": len(self.findings),
            "sbom": self.sbom is not None,
            "tried": now,
            "failed": "",
            "job": job.id,
        }


@dataclass(frozen=True)
class ScanVerdict:
    """How a scan ended: one of the two is there."""

    error: PublicError | None = None
    """Why there is no result."""
    report: Report | None = None


NOTHING: dict[str, Any] = {
    "at": None,
    "database": None,
    "packages": 0,
    "counts": {},
    "fixable": 0,
    "total": 0,
    "listed": 0,
    "sbom": False,
}
"""What is kept with a version that was tried, but never scanned."""


def failed_summary(
    known: Mapping[str, Any] | None, job: Job, code: str
) -> dict[str, Any]:
    """Return what is kept when there is no result: what was found before stays, as of then."""
    tried = datetime.now(UTC).isoformat()
    return {**NOTHING, **(known or {}), "tried": tried, "failed": code, "job": job.id}


def verdict_of(
    job: Job, output: BuildOutput, pod: WorkloadPod, finished: bool
) -> ScanVerdict | None:
    """Return the verdict, None while there is none; `finished` says that all output was read."""
    if output.result:
        report = report_of(output.result)
        return ScanVerdict(report=report) if report else failed(job, "scanner_failed")
    if output.error:
        error = output.error
        return failed(job, str(error.get("code")), why=error.get("message", ""))
    if pod.ended and (finished or not pod.states):
        code = "time" if pod.reason == "DeadlineExceeded" else "scanner_failed"
        return failed(job, code, why=pod.reason)
    return None


def failed(job: Job, code: str, **details: Any) -> ScanVerdict:
    """Return the verdict of a scan without a result."""
    known = code if code in SENTENCES else "scanner_failed"
    details = {**details, "what": known}
    error = Unavailable(
        "scan_failed", SENTENCES[known], details=details, number=job.number
    )
    return ScanVerdict(error)


def report_of(told: Mapping[str, Any]) -> Report | None:
    """Return the report, None for what is no report of ours."""
    try:
        counts = {name: _number(told["counts"][name]) for name in SEVERITIES}
        findings = [_finding(one) for one in told["findings"][:LISTED]]
        return Report(
            database=datetime.fromisoformat(told["database"]).isoformat(),
            packages=_number(told["packages"]),
            counts=counts,
            fixable=_number(told["fixable"]),
            total=sum(counts.values()),
            findings=tuple(findings),
            sbom=_sbom(told.get("sbom")),
        )
    except (AttributeError, KeyError, TypeError, ValueError, binascii.Error):
        return None


def _number(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise ValueError("no number")
    return value


def _finding(told: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {part: _text(told[part]) for part in PARTS}
    if found["severity"] not in SEVERITIES:
        raise ValueError("no severity")
    return {**found, "aliases": [_text(one) for one in told["aliases"][:ALIASES]]}


def _text(value: Any) -> str:
    # No database takes a NUL.
    return str(value)[:LENGTH].replace("\0", "")


def _sbom(told: Any) -> bytes | None:
    if told is None:
        return None
    packed = base64.b64decode(told, validate=True)
    return packed if len(packed) <= SBOM_LIMIT else None
