"""Trying a version: its desktop is started in a pod of its own and looked at."""

import secrets
from collections.abc import Mapping
from typing import Any

from hub_service.clients.workloads import WorkloadPod
from hub_service.errors import PublicError
from hub_service.jobs.follower import Following
from hub_service.jobs.pod_step import PodStep
from hub_service.models import Job
from hub_service.start_tests import pod as start_test_pod
from hub_service.start_tests.pod import DESKTOP, TESTER
from hub_service.start_tests.result import Verdict, failed, verdict_of


class StartTests(PodStep[Verdict]):
    """Carries out the start-test of a job.

    - the desktop has no account, no token of anybody and no home of anybody
    """

    name = "test"
    containers = (TESTER,)

    def body(
        self, template: Mapping[str, Any], job: Job, reference: str
    ) -> dict[str, Any]:
        """Return the Job: the version as a desktop, and beside it the tester."""
        return start_test_pod.job(
            template,
            id=job.id,
            run=self.run_of(job.id),
            token=secrets.token_hex(16),
            image=reference,
        )

    def verdict(
        self, job: Job, following: Following, pod: WorkloadPod
    ) -> Verdict | None:
        """Return whether the desktop came up."""
        return verdict_of(job, following.output, pod, following.finished)

    def no_room(self, job: Job) -> Verdict:
        """Return the verdict of a desktop that the cluster did not start."""
        return failed(job, "room")

    async def failed(self, job: Job, pod: WorkloadPod) -> None:
        """Put the desktop's own log behind the test's: it says why it did not come up."""
        lines = ["--- the desktop's own log ---"]
        try:
            output = self._workloads.log(pod.name, DESKTOP, follow=False)
            lines += [line async for line in output]
        except PublicError as error:
            lines.append(f"({error})")
        text = "".join(f"{line}\n" for line in lines)
        self._logs.append(job.id, self._logs.length(job.id), text)
