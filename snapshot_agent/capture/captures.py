"""Everything that the capture half does for api, checked once more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from oci.reference import Digest
from snapshot_agent.capture.base_record import NodeImage
from snapshot_agent.capture.container import Desktop, find_desktop
from snapshot_agent.capture.session import CaptureSession, NodeTools
from snapshot_agent.capture.survey import survey
from snapshot_agent.errors import SaveInProgress, TooManySaves
from snapshot_agent.exclusions import Rules, volumes
from snapshot_agent.wire import BaseRecord, CaptureRequest, Look, Place

# Reading, compressing and sending, as measured on two slow cores; an estimate for a dialog.
_BYTES_A_SECOND = 80e6
_LEAST_SECONDS = 1.0
_LOOKS_AT_ONCE = 2


class Captures:
    """The desktops of this node, and the captures of them that are under way.

    - a container is looked for anew at every call, and refused unless it is within the bounds;
    - one capture of a container at a time, and no more on the node than its limit;
    - `close` ends every capture, with its desktop thawed and its files gone.
    """

    def __init__(self, tools: NodeTools) -> None:
        self._tools = tools
        self._images = NodeImage(tools.containerd)
        self._sessions: dict[str, CaptureSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Fifty people may open the dialog at once: what saves need of the threads stays free.
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def find(self, place: Place) -> None:
        """Nothing, when this container can be saved; an AgentError says why it cannot."""
        await asyncio.to_thread(self._desktop, place)

    async def base(self, place: Place) -> BaseRecord:
        """The record of the image below a container."""
        return await asyncio.to_thread(
            lambda: self._images.record(self._desktop(place))
        )

    async def blob_size(self, place: Place, digest: Digest) -> int | None:
        """The bytes of a blob of the image below a container; None when it is not here."""
        return await asyncio.to_thread(
            lambda: self._images.size(self._desktop(place), digest)
        )

    def blob(self, digest: Digest) -> Iterator[bytes]:
        """A blob that `blob_size` has found."""
        return self._images.read(digest)

    async def preview(self, look: Look) -> dict[str, Any]:
        """What a save would take, without touching the desktop."""
        async with self._looks:
            return await asyncio.to_thread(self._preview, look)

    def begin(self, request: CaptureRequest) -> CaptureSession:
        """Start reading a desktop into the spool."""
        container = request.place.container_id
        for other in self._sessions.values():
            if other.request.place.container_id == container:
                raise SaveInProgress("This desktop is being read already.")
        if request.id in self._sessions:
            raise SaveInProgress("Another capture has this id.")
        if len(self._sessions) >= self._tools.limits.saves:
            raise TooManySaves("This node reads other desktops at the moment.")
        session = CaptureSession(request, self._tools)
        self._sessions[request.id] = session
        task = asyncio.create_task(session.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: self._sessions.pop(request.id, None))
        return session

    async def drop(self, capture_id: str) -> None:
        """End a capture; returns when nothing of it is left."""
        session = self._sessions.get(capture_id)
        if session is not None:
            session.release()
            await session.ended.wait()

    async def close(self) -> None:
        for session in list(self._sessions.values()):
            session.release()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    @property
    def active(self) -> int:
        return len(self._sessions)

    def _desktop(self, place: Place) -> Desktop:
        return find_desktop(self._tools.containerd, place, self._tools.bounds)

    def _preview(self, look: Look) -> dict[str, Any]:
        desktop = self._desktop(look.place)
        rules = Rules(
            home=desktop.home,
            mounts=desktop.mounts,
            asked=look.exclude,
            include_home=look.include_home,
            table=self._tools.settings.table,
        )
        found = survey(desktop, rules, lambda: None)
        return {
            "bytes": found.bytes,
            "entries": found.entries,
            "packages": found.packages,
            "home": {
                "bytes": found.home_bytes,
                "entries": found.home_entries,
                "on_volume": rules.home_on_volume,
                "path": desktop.home,
                "biggest": found.home_biggest.to_list(),
            },
            "left_out": found.left_out.to_list(),
            "biggest": found.biggest.to_list(),
            "volumes": volumes(desktop.mounts),
            "seconds_estimate": round(
                _LEAST_SECONDS + found.bytes / _BYTES_A_SECOND, 1
            ),
        }
