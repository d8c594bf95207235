"""Scanning a version: what is in it, and what is known of that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hub_service.clients.workloads import WorkloadPod, Workloads
from hub_service.errors import Conflict, sentence
from hub_service.jobs.follower import BuildFollower, Following
from hub_service.jobs.pod_step import PodSettings, PodStep
from hub_service.models import SCANNED, Job, Version
from hub_service.rules.scan_policy import ScanPolicy
from hub_service.scans import pod as scan_pod
from hub_service.scans.pod import DATABASE, FETCH, SCAN
from hub_service.scans.result import (
    ScanVerdict,
    failed,
    failed_summary,
    verdict_of,
)
from hub_service.stores.stores import Stores


@dataclass(frozen=True)
class ScanSettings(PodSettings):
    """What the administrator decides of scans."""

    every: timedelta = timedelta(hours=24)
    """How old the last scan of what is published may become."""
    policy: ScanPolicy = field(default_factory=ScanPolicy)


class Scans(PodStep[ScanVerdict]):
    """Carries out the scan of a job, and knows what its result means.

    - a scan without a result leaves what was found before, as of then: never "nothing found"
    - what is not known blocks as what is bad does, where anything blocks
    """

    name = "scan"
    containers = (FETCH, DATABASE, SCAN)

    def __init__(
        self,
        stores: Stores,
        workloads: Workloads,
        follower: BuildFollower,
        settings: ScanSettings,
    ) -> None:
        super().__init__(stores, workloads, follower, settings)
        self._reports = stores.scan_reports
        self._every, self._policy = settings.every, settings.policy

    def body(
        self, template: Mapping[str, Any], job: Job, reference: str
    ) -> dict[str, Any]:
        """Return the Job."""
        run = self.run_of(job.id)
        return scan_pod.job(template, id=job.id, run=run, image=reference)

    def verdict(
        self, job: Job, following: Following, pod: WorkloadPod
    ) -> ScanVerdict | None:
        """Return what was found."""
        return verdict_of(job, following.output, pod, following.finished)

    def no_room(self, job: Job) -> ScanVerdict:
        """Return the verdict of a scan that the cluster did not begin."""
        return failed(job, "room")

    def needed(self, version: Version) -> bool:
        """Say whether a version must be scanned before it is published."""
        return self.enabled and not self._lately(version, "at")

    def due(self, version: Version) -> bool:
        """Say whether a published version is to be scanned again; a failure waits its turn, too."""
        return self.enabled and not self._lately(version, "tried")

    def record(self, job: Job, version: Version, verdict: ScanVerdict) -> None:
        """Keep what was found, or that nothing could be."""
        where = (job.owner, job.image, job.number)
        if verdict.report:
            report = verdict.report
            self._reports.keep(version.digest, report.findings, report.sbom)
            self._reports.note(*where, report.summary(job))
        elif verdict.error:
            code = verdict.error.details["what"]
            self._reports.note(*where, failed_summary(version.scan, job, code))

    def problem(self, version: Version) -> Conflict | None:
        """Return what keeps a version from being published; None = nothing."""
        policy = self._policy
        if not self.enabled or not policy.block:
            return None
        if version.scan_state != SCANNED or version.scan is None:
            return Conflict(
                "not_scanned",
                sentence(
                    "Version {number} is not published: what is known of its vulnerabilities is "
                    "missing or too old. What others start stays as it was. Try again later, or "
                    "look at the last scan's log."
                ),
                details={"why": (version.scan or {}).get("failed", "")},
                number=version.number,
            )
        findings = self._reports.findings(version.digest)
        today = datetime.now(UTC).date()
        count = policy.blocking(version.scan["counts"], findings, today)
        return _too_bad(version, count, policy.block) if count else None

    def shown(self, version: Version) -> list[dict[str, Any]]:
        """Return the findings of a version, each with the waiver that it has."""
        today = datetime.now(UTC).date()
        found = []
        for one in self._reports.findings(version.digest):
            waiver = self._policy.waived(one, today)
            words = f"{waiver.until.isoformat()}, {waiver.reason}" if waiver else ""
            found.append({**one, "waived_until": words})
        return found

    def _lately(self, version: Version, key: str) -> bool:
        known = (version.scan or {}).get(key)
        if not known or (key == "at" and version.scan_state != SCANNED):
            return False
        return datetime.now(UTC) - datetime.fromisoformat(known) < self._every


def _too_bad(version: Version, count: int, block: str) -> Conflict:
    return Conflict(
        "scan_blocks",
        sentence(
            "Version {number} is not published: vulnerabilities that are {severity} or worse: "
            "{count}. What others start stays as it was. Make a version with newer packages, or "
            "ask whoever runs this hub for an exception."
        ),
        number=version.number,
        severity=block,
        count=count,
    )
