"""The saves of this node: those under way, and those that ended within the last hour."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from snapshot_agent.api.commit import Commit, Tools
from snapshot_agent.api.kube import Cluster, KubeError
from snapshot_agent.api.metrics import Metrics
from snapshot_agent.errors import (
    CaptureAway,
    CommitUnknown,
    InternalError,
    PodNotFound,
    SaveInProgress,
    TooManySaves,
)
from snapshot_agent.failures import broken_off, cancelled
from snapshot_agent.requests import CommitRequest, PreviewRequest
from snapshot_agent.status import State, Status
from snapshot_agent.wire import Look, Place

log = logging.getLogger(__name__)

_REMEMBER = 3600.0


@dataclass
class _Save:
    request: CommitRequest
    status: Status
    task: asyncio.Task[None]


class Saves:
    """Starts, remembers and cancels saves.

    - the same id again is the same save, whatever state it is in;
    - one save of a pod at a time, and `most` on the node;
    - a request is checked against the cluster and the node before anything begins;
    - a save whose other half was ended is forgotten, as all are when the agent starts anew: who
      asked for it may ask again;
    - `close` ends every save, with its desktop thawed.
    """

    def __init__(
        self,
        cluster: Cluster,
        tools: Tools,
        metrics: Metrics,
        *,
        most: int,
        remember: float = _REMEMBER,
    ) -> None:
        self._cluster = cluster
        self._tools = tools
        self._metrics = metrics
        self._most = most
        self._remember = remember
        self._saves: dict[str, _Save] = {}
        self._starting = asyncio.Lock()

    async def start(self, request: CommitRequest) -> Status:
        """Begin a save, or find the one that has this id already."""
        async with self._starting:
            self._forget()
            known = self._saves.get(request.id)
            if known is not None:
                if known.request != request:
                    raise SaveInProgress(
                        "Another save has this id already.", id=request.id
                    )
                return known.status
            self._check_room(request.pod_uid)
            place = await self._find(request)
            await self._tools.capture.find(place)
            status = Status(request.id)
            commit = Commit(request, place, self._tools, status)
            task = asyncio.create_task(self._run(request, commit, status))
            task.add_done_callback(lambda done: self._see_end(done, status))
            self._saves[request.id] = _Save(request, status, task)
            self._metrics.active.inc()
            return status

    async def get(self, save_id: str) -> Status:
        """How far a save is."""
        self._forget()
        try:
            return self._known(save_id).status
        except CommitUnknown:
            # Who hears this asks for the save again: not before somebody can do it.
            await self._tools.capture.check()
            raise

    async def cancel(self, save_id: str) -> Status:
        """Ask a save to end; it does so soon, with its desktop thawed."""
        found = self._known(save_id)
        _cancel(found.task)
        # Once more around the loop, so that the end shows when there was nothing to wait for.
        await asyncio.sleep(0)
        return found.status

    async def preview(self, request: PreviewRequest) -> dict[str, Any]:
        """What a save would take, without touching the desktop."""
        place = await self._find(request)
        look = Look(place, request.include_home, request.exclude)
        return await self._tools.capture.preview(look)

    async def close(self) -> None:
        """Cancel everything and wait until it has let go."""
        tasks = [save.task for save in self._saves.values() if not save.task.done()]
        for task in tasks:
            _cancel(task)
        if tasks:
            await asyncio.wait(tasks)

    @property
    def active(self) -> int:
        return len(self._active())

    async def _find(self, request: PreviewRequest) -> Place:
        try:
            pod = await self._cluster.pod(request.pod_uid)
        except KubeError as error:
            raise InternalError(
                "The cluster does not answer at the moment: try again."
            ) from error
        if pod is None:
            raise PodNotFound(
                "The server is not on this node, or is no server of a session. "
                "Reload the page and try again.",
                pod_uid=request.pod_uid,
            )
        pod.check_owner(request.pod_owner, request.owner)
        return pod.place(request.container)

    def _check_room(self, pod_uid: str) -> None:
        active = self._active()
        if any(save.request.pod_uid == pod_uid for save in active):
            raise SaveInProgress(
                "This desktop is being saved already. Wait for that save to end, or cancel it."
            )
        if len(active) >= self._most:
            raise TooManySaves(
                "This node is busy with other saves. Nothing was started; try again in a minute.",
                most=self._most,
            )

    async def _run(
        self, request: CommitRequest, commit: Commit, status: Status
    ) -> None:
        log.info(
            "save begins save=%s owner=%r image=%s version=%d",
            request.id,
            request.owner,
            request.image,
            request.number,
        )
        await commit.run()
        code = status.error.code if status.error else ""
        took = sum(step.seconds for step in status.steps)
        log.info(
            "save ends save=%s state=%s code=%s seconds=%.2f",
            request.id,
            status.state.value,
            code,
            took,
        )

    def _see_end(self, task: asyncio.Task[None], status: Status) -> None:
        """Whatever became of its task, a save that is over says so."""
        if status.state is State.RUNNING:
            if task.cancelled():
                # Before it had begun, so it could not say it itself.
                status.fail(cancelled(), State.CANCELLED)
            else:
                log.error(
                    "save broke off save=%s", status.id, exc_info=task.exception()
                )
                status.fail(broken_off())
        if isinstance(status.error, CaptureAway):
            self._saves.pop(status.id, None)
        self._metrics.active.dec()
        self._metrics.ended(status)

    def _active(self) -> list[_Save]:
        return [
            save for save in self._saves.values() if save.status.state is State.RUNNING
        ]

    def _known(self, save_id: str) -> _Save:
        found = self._saves.get(save_id)
        if found is None:
            raise CommitUnknown(
                "This agent knows no such save: it may have started anew."
            )
        return found

    def _forget(self) -> None:
        limit = time.monotonic() - self._remember
        for save_id, save in list(self._saves.items()):
            if save.status.ended is not None and save.status.ended < limit:
                del self._saves[save_id]


def _cancel(task: asyncio.Task[None]) -> None:
    # Once only: a second cancellation would cut off the clean-up of the first.
    if not task.cancelling():
        task.cancel()
