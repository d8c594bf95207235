"""Freeing the image store's disk: nothing that is named is touched, no push is under way."""

import asyncio
import copy
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hub_service.bell import Bell
from hub_service.clients.deployments import Deployments
from hub_service.clients.workloads import JOB_LABEL, WorkloadPod, Workloads
from hub_service.errors import (
    Conflict,
    NotFound,
    PublicError,
    Unavailable,
    own_defect,
    sentence,
)
from hub_service.models import FAILED, RUNNING, SUCCEEDED, Cleanup
from hub_service.storage.deletions import Deletions
from hub_service.stores.stores import Stores

log = logging.getLogger(__name__)

READ_ONLY = ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{enabled: true}")
"""How distribution is told to take no changes (its configuration, storage.maintenance)."""
FIGURES = "cleanup"
"""The word that begins the last line of the Job's output: kibibytes before and after."""


@dataclass(frozen=True)
class CleanupSettings:
    """What the administrator decides of clean-ups."""

    job: Mapping[str, Any] | None
    """The chart's Job; None = the image store is not ours to clean up."""
    registry: str = "registry"
    """The Deployment and its container."""
    hour: int = 3
    """The hour (UTC) of the nightly one; -1 = none."""
    pause: float = 1.0
    """Seconds between two looks at what is under way."""
    patience: timedelta = timedelta(hours=6)
    """How long it waits for a moment without saves and builds."""
    restart: timedelta = timedelta(minutes=5)
    """How long a pod may take to come up."""


class Cleanups:
    """The use-case of a clean-up, and the loop that carries it out.

    The registry's own garbage collection corrupts what is pushed meanwhile (distribution's
    documentation, "About garbage collection"), so:

    - it waits until no save and no build is under way; while it is, new ones stay in the queue
    - the registry itself is made read-only, which stops what comes from elsewhere; desktops
      still start
    - whatever happens, also a restart of hub_service, the registry takes changes again in the end
    """

    def __init__(
        self,
        stores: Stores,
        workloads: Workloads,
        deployments: Deployments,
        deletions: Deletions,
        settings: CleanupSettings,
    ) -> None:
        self._deletions = deletions
        self._jobs = stores.jobs
        self._cleanups = stores.cleanup_store
        self._workloads = workloads
        self._deployments = deployments
        self._settings = settings
        self._bell = Bell()

    @property
    def enabled(self) -> bool:
        """True when there is a registry to clean up."""
        return self._settings.job is not None

    def ask(self, actor: str) -> Cleanup:
        """Record a clean-up; the loop carries it out."""
        if not self.enabled:
            raise NotFound(
                "cleanup_off",
                sentence(
                    "The image store of this hub is another one's: its own administrators "
                    "free its disk."
                ),
            )
        cleanup = self._cleanups.add(actor)
        self._bell.ring()
        return cleanup

    async def run(self) -> None:
        """Carry out what is asked for, and the nightly one, until cancelled."""
        await self._open_forgotten()
        while True:
            if cleanup := self._cleanups.unfinished():
                await self._carry_out(cleanup)
            elif await self._night():
                # Somebody may have asked in the same moment.
                with suppress(Conflict):
                    self.ask("")

    async def _open_forgotten(self) -> None:
        """Open a registry that was closed by a clean-up which the database knows nothing of."""
        if not self.enabled or self._cleanups.unfinished():
            return
        try:
            if await self._closed():
                log.warning("The registry was left read-only: it takes changes again")
                await self._set(None)
        except Unavailable as error:
            log.warning(
                "Whether the registry is read-only: %s %s", error, error.details
            )

    async def _night(self) -> bool:
        """Wait for the hour; False when somebody asked before."""
        never = not self.enabled or self._settings.hour < 0
        until = None if never else seconds_until(self._settings.hour)
        return not await self._bell.wait(until)

    async def _carry_out(self, cleanup: Cleanup) -> None:
        changes: dict[str, Any]
        try:
            await self._quiet(cleanup)
            changes = await self._clean(cleanup)
        except PublicError as error:
            changes = {"state": FAILED, "error": error.to_dict()}
        except Exception:
            log.exception("Clean-up %d failed by a defect", cleanup.id)
            changes = {"state": FAILED, "error": own_defect().to_dict()}
        await self._reopen(cleanup)
        changes = {"error": None, **changes, "ended": datetime.now(UTC)}
        self._cleanups.update(cleanup.id, **changes)
        log.info("Clean-up %d ended: %s", cleanup.id, changes)

    async def _quiet(self, cleanup: Cleanup) -> None:
        """Wait until nothing is pushed or deleted; from then on nothing begins."""
        while cleanup.state != RUNNING:
            # From this look to the row nothing is awaited, so nothing begins in between.
            at_work = [
                job for job in self._jobs.open() if job.attempts or job.state == RUNNING
            ]
            if not at_work:
                cleanup = self._cleanups.update(
                    cleanup.id, state=RUNNING, started=datetime.now(UTC)
                )
            elif datetime.now(UTC) - cleanup.created > self._settings.patience:
                raise Conflict(
                    "hub_busy",
                    sentence(
                        "Saves and builds were under way all the time. Nothing was changed. "
                        "Try again at a quieter hour."
                    ),
                )
            else:
                await asyncio.sleep(self._settings.pause)

    async def _clean(self, cleanup: Cleanup) -> dict[str, Any]:
        await self._deletions.carry_out()
        await self._set(READ_ONLY[1])
        await self._settled()
        await self._workloads.create_job(_job(self._settings.job or {}, cleanup))
        pod = await self._ended_pod(cleanup)
        text = [line async for line in self._workloads.log(pod.name, "clean")]
        words = text[-1].split() if text else []
        if pod.phase != "Succeeded" or len(words) != 3 or words[0] != FIGURES:
            raise Conflict(
                "cleanup_failed",
                sentence(
                    "The image store's own clean-up ended with an error. What is saved is safe; "
                    "no space was freed for certain."
                ),
                details={"reason": pod.reason, "log": text[-20:]},
            )
        before, after = (1024 * int(word) for word in words[1:])
        return {"state": SUCCEEDED, "bytes_before": before, "bytes_after": after}

    async def _ended_pod(self, cleanup: Cleanup) -> WorkloadPod:
        """Wait for the end of the Job's pod; one that does not come up is given up."""
        begun = datetime.now(UTC)
        while True:
            pod = await self._workloads.pod(_label(cleanup))
            if pod and pod.ended:
                return pod
            waiting = pod is None or pod.phase == "Pending"
            if waiting and datetime.now(UTC) - begun > self._settings.restart:
                raise _slow(pod.trouble if pod else "no pod")
            await asyncio.sleep(self._settings.pause)

    async def _reopen(self, cleanup: Cleanup) -> None:
        """Let the registry take changes again, once nothing cleans any more."""
        open_again = False
        while not open_again:
            try:
                if await self._workloads.remove(_label(cleanup)):
                    if await self._closed():
                        await self._set(None)
                    open_again = True
                    await self._settled()
            except Unavailable as error:
                log.warning(
                    "After clean-up %d: %s %s", cleanup.id, error, error.details
                )
                self._cleanups.update(cleanup.id, error=error.to_dict())
            await asyncio.sleep(self._settings.pause)

    async def _closed(self) -> bool:
        """Say whether the registry takes no changes."""
        name, variable = self._settings.registry, READ_ONLY[0]
        found = await self._deployments.variable(name, "registry", variable)
        return found is not None

    async def _set(self, value: str | None) -> None:
        """Close the registry, or open it again (None)."""
        name, variable = self._settings.registry, READ_ONLY[0]
        await self._deployments.set_variable(name, "registry", variable, value)

    async def _settled(self) -> None:
        """Wait until the registry runs with its new setting."""
        begun = datetime.now(UTC)
        while not await self._deployments.settled(self._settings.registry):
            if datetime.now(UTC) - begun > self._settings.restart:
                raise _slow("the registry's new pod is not ready")
            await asyncio.sleep(self._settings.pause)


def seconds_until(hour: int, now: datetime | None = None) -> float:
    """Return the seconds to the next time that a clock (UTC) shows an hour; never 0."""
    now = now or datetime.now(UTC)
    at = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return ((at - now) % timedelta(days=1) or timedelta(days=1)).total_seconds()


def _label(cleanup: Cleanup) -> str:
    return f"cleanup-{cleanup.id}"


def _job(template: Mapping[str, Any], cleanup: Cleanup) -> dict[str, Any]:
    """Return the chart's Job with its name and label."""
    body = copy.deepcopy(dict(template))
    body["metadata"]["name"] = f"registry-cleanup-{cleanup.id}"
    for metadata in (body["metadata"], body["spec"]["template"]["metadata"]):
        metadata["labels"][JOB_LABEL] = _label(cleanup)
    return body


def _slow(why: str) -> Unavailable:
    return Unavailable(
        "cleanup_waits",
        sentence(
            "The cluster did not bring up what cleans the image store. What is saved is safe. "
            "Try again later."
        ),
        details={"why": why},
    )
