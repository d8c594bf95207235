"""One capture, from the moment api asks for it until api lets go of what it gave."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from snapshot_agent.capture.base_record import check_config, environment
from snapshot_agent.capture.capture import Capture
from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.captured import Captured
from snapshot_agent.capture.container import Bounds, Desktop, find_desktop
from snapshot_agent.capture.containerd import Containerd
from snapshot_agent.capture.freeze import Freezer
from snapshot_agent.capture.joining import Joining, Plan
from snapshot_agent.capture.node_failures import explained_on_node
from snapshot_agent.capture.survey import Survey, survey
from snapshot_agent.errors import SAFE, AgentError, Cancelled, TooMuch
from snapshot_agent.exclusions import Rules
from snapshot_agent.failures import disk_full
from snapshot_agent.room import Room
from snapshot_agent.status import Status, Step
from snapshot_agent.tree.canary import canaries, masked
from snapshot_agent.tree.kept import Kept, KeptSaves
from snapshot_agent.tree.spool import Blob, Spool
from snapshot_agent.wire import (
    CaptureRequest,
    EarlierLayer,
    Event,
    LayerWritten,
    SpooledLayer,
    StepBegins,
    StepGoesOn,
    Taken,
)

_HEADROOM = 64 * 1024 * 1024
# Often enough for a person who looks at a bar, and a sign of life.
_EVERY = 0.2


@dataclass(frozen=True)
class CaptureLimits:
    """How much is taken at once; 0 = as much as there is."""

    saves: int
    bytes: int = 0
    entries: int = 0

    def check(self, found: Survey) -> None:
        """TooMuch when a desktop has changed more than one save may hold."""
        if self.bytes and found.bytes > self.bytes:
            raise _too_much("bytes", found.bytes, self.bytes)
        if self.entries and found.entries > self.entries:
            raise _too_much("files and folders", found.entries, self.entries)

    def allow(self, bytes: int, entries: int) -> bool:
        """True for what one save may hold."""
        too_many = self.entries and entries > self.entries
        return not (too_many or (self.bytes and bytes > self.bytes))


@dataclass(frozen=True)
class NodeTools:
    """What every capture works with."""

    containerd: Containerd
    freezer: Freezer
    room: Room
    settings: CaptureSettings
    bounds: Bounds
    limits: CaptureLimits
    kept: KeptSaves = field(default_factory=KeptSaves)


class CaptureSession:
    """Reads one desktop into the spool, in a thread of its own.

    - its files are there until `release`, or until the program ends;
    - whatever happens, the desktop runs again and its folder is gone once `ended` is set.
    """

    def __init__(self, request: CaptureRequest, tools: NodeTools) -> None:
        self.request = request
        self.ended = asyncio.Event()
        self._tools = tools
        self._stop = threading.Event()
        self._released = asyncio.Event()
        self._events: asyncio.Queue[Event | AgentError] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._status = Reporter(request.id, self._tell)
        self._spool = Spool(tools.room, request.id)

    async def run(self) -> None:
        """All of it; returns when it is over and nothing is left."""
        try:
            reading = self._loop.run_in_executor(None, self._work)
            await asyncio.wait([reading])
            await self._released.wait()
        finally:
            self._spool.remove()
            self.ended.set()

    def release(self) -> None:
        """Break off what is under way, and let go of the files."""
        self._stop.set()
        self._released.set()

    async def events(self) -> AsyncIterator[Event | AgentError]:
        """What happens, until it is taken or has failed."""
        while True:
            happened: Event | AgentError
            try:
                async with asyncio.timeout(_EVERY):
                    happened = await self._events.get()
            except TimeoutError:
                happened = StepGoesOn(self._status.done)
            yield happened
            if isinstance(happened, Taken | AgentError):
                return

    # In the thread from here

    def _work(self) -> None:
        upper = ""
        try:
            request, tools = self.request, self._tools
            desktop = find_desktop(tools.containerd, request.place, tools.bounds)
            upper = desktop.upper
            self._tell(self._take(desktop))
        except BaseException as error:
            self._tell(explained_on_node(error, self.request.id, upper))

    def _take(self, desktop: Desktop) -> Taken:
        config = check_config(desktop, self.request.config)
        rules = Rules(
            home=desktop.home,
            mounts=desktop.mounts,
            asked=self.request.exclude,
            include_home=self.request.include_home,
            table=self._tools.settings.table,
        )
        tools = self._tools
        self._spool.make()
        found = survey(desktop, rules, self._check)
        tools.limits.check(found)
        self._check_room(found)
        plan, kept = tools.kept.plan(desktop.container_id), None
        if isinstance(plan, Plan):
            kept = self._kept(desktop, rules, plan, found)
        joining = Joining(desktop, config, rules, tools.settings, self._check)
        decide = partial(joining.decide, partial(self._fits, found))
        if kept is None or not isinstance(plan, Plan):
            plan = decide()
        secrets = canaries(desktop.env, environment(config))
        capture = Capture(
            desktop,
            rules,
            containerd=tools.containerd,
            freezer=tools.freezer,
            settings=tools.settings,
            canaries=secrets,
            expected=found.apparent,
            check=self._check,
            plan=plan,
            decide=decide,
            kept=kept,
            surveyed=found.left_out,
            written=lambda blob: self._tell(LayerWritten(_spooled(blob))),
        )
        captured = capture.run(self._spool, self._status)
        tools.kept.put(captured.kept)
        return _taken(captured, found, secrets)

    def _kept(
        self, desktop: Desktop, rules: Rules, plan: Plan, found: Survey
    ) -> Kept | None:
        """The last save of the desktop, if this one can stand on it."""
        return self._tools.kept.take(
            desktop.container_id,
            Capture.choices(desktop, rules, self._tools.settings, plan.layers),
            self.request.earlier,
            found.apparent + plan.apparent,
        )

    def _check_room(self, found: Survey) -> None:
        need, free = _room_for(found.bytes), self._tools.room.free()
        if need > free:
            raise disk_full(need=need, free=free)

    def _fits(self, found: Survey, bytes: int, entries: int) -> bool:
        """True when so much more may be read, and there is room for it."""
        if self.request.room is not None and bytes > self.request.room:
            return False
        bytes, entries = found.bytes + bytes, found.entries + entries
        allowed = self._tools.limits.allow(bytes, entries)
        return allowed and _room_for(bytes) <= self._tools.room.free()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled("cancelled")

    def _tell(self, happened: Event | AgentError) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, happened)


class Reporter(Status):
    """A status that tells of each step as it begins."""

    def __init__(self, id: str, tell: Callable[[Event], None]) -> None:
        super().__init__(id)
        self._tell = tell

    @property
    def done(self) -> int:
        return self.steps[self._current].bytes_done

    def begin(self, name: str, total: int | None = None) -> Step:
        self._tell(StepGoesOn(self.done))
        self._tell(StepBegins(name, total))
        return super().begin(name, total)


def _taken(captured: Captured, found: Survey, secrets: tuple[bytes, ...]) -> Taken:
    def told(paths: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**one, "path": masked(one["path"], secrets)} for one in paths]

    return Taken(
        earlier=tuple(
            EarlierLayer(one.diff_id, one.digest, one.size) for one in captured.earlier
        ),
        layers=tuple(map(_spooled, captured.blobs)),
        joined=captured.joined,
        content_bytes=captured.content_bytes,
        frozen=captured.frozen,
        changed_while_saved=[
            masked(path, secrets) for path in captured.changed_while_saved
        ],
        left_out=told(captured.left_out.to_list()),
        entries=found.entries,
        packages=found.packages,
        biggest=told(found.biggest.to_list()),
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _spooled(blob: Blob) -> SpooledLayer:
    return SpooledLayer(blob.path.name, blob.diff_id, blob.digest, blob.size)


def _room_for(bytes: int) -> int:
    # Compressed it is usually a third; half leaves room for what grows meanwhile.
    return bytes // 2 + _HEADROOM


def _too_much(what: str, found: int, most: int) -> TooMuch:
    return TooMuch(
        f"This desktop has changed {found:,} {what}, and one save may hold {most:,}. {SAFE} "
        "Nothing was saved. Leave out large folders, or ask an administrator for a higher limit.",
        found=found,
        most=most,
    )
