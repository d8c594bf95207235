"""The algorithm of a save, one method a step, in the order in which they happen.

plan      find everything, refuse what is not known, ask the registry: nothing is touched yet
read      the desktop runs, and everything is read, compressed and hashed on the way
freeze    the desktop stands still while what has changed since is found and copied
push      the desktop runs; base layers are mounted, new ones sent
manifest  by digest, then by tag
"""

from __future__ import annotations

import asyncio
import logging
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from oci.manifest import OCI_CONFIG, Descriptor
from oci.names import repository, tag
from oci.reference import Digest

from .base import Base, BaseFinder, check_depth
from .canary import canaries
from .capture import Capture, Captured, CaptureSettings
from .container import Desktop
from .containerd import Containerd
from .errors import AgentError, Cancelled
from .exclusions import Rules
from .failures import cancelled, disk_full, explained
from .freeze import Freezer
from .image_spec import Description, Layer, make_config, make_manifest, origin_of
from .push import Pusher
from .registries import Registries
from .requests import CommitRequest
from .room import Room
from .spool import Spool
from .status import State, Status
from .survey import Survey, survey

log = logging.getLogger(__name__)

_HEADROOM = 64 * 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True)
class CommitSettings:
    """What an administrator decides about every save."""

    capture: CaptureSettings = CaptureSettings()
    author: str = "JupyterHub Desktops"


@dataclass(frozen=True)
class Tools:
    """What every save works with."""

    containerd: Containerd
    freezer: Freezer
    registries: Registries
    room: Room
    settings: CommitSettings


class Commit:
    """One save of one desktop; `run` ends in a result or in an AgentError.

    - before the freeze nothing of the desktop is touched, and during it nothing is sent;
    - whatever happens, the desktop runs again and the spool is empty when `run` returns;
    - memory does not depend on how much is saved.
    """

    def __init__(
        self, request: CommitRequest, desktop: Desktop, tools: Tools, status: Status
    ) -> None:
        self._request = request
        self._desktop = desktop
        self._tools = tools
        self._status = status
        self._stop = threading.Event()
        self._rules = Rules(
            home=desktop.home,
            mounts=desktop.mounts,
            asked=request.exclude,
            include_home=request.include_home,
        )
        self._survey = Survey()
        self._canaries: tuple[bytes, ...] = ()

    async def run(self) -> None:
        """Do it; the end is in the status."""
        spool = Spool(self._tools.room, self._request.id)
        result: dict[str, Any] = {}
        failure: AgentError | None = None
        try:
            spool.make()
            base = await self._plan()
            captured = await self._in_thread(lambda: self._capture(spool))
            result = await self._push(base, captured)
        except asyncio.CancelledError:
            failure = cancelled()
        except Exception as error:
            failure = explained(error, self._request.id, self._desktop.upper)
        finally:
            spool.remove()
        # Only now: who reads that a save has ended finds nothing of it left.
        if failure is None:
            self._status.succeed(result)
        else:
            asked = isinstance(failure, Cancelled)
            self._status.fail(failure, State.CANCELLED if asked else State.FAILED)

    async def _plan(self) -> Base:
        self._status.begin("plan")
        registries, containerd = self._tools.registries, self._tools.containerd
        await registries.own.ping(attempts=2)
        base = await BaseFinder(containerd, registries).find(self._desktop)
        check_depth(base)
        self._canaries = canaries(self._desktop.env, base.env)
        self._survey = await self._in_thread(
            lambda: survey(self._desktop, self._rules, self._check)
        )
        # Compressed it is usually a third; half leaves room for what grows meanwhile.
        need, free = self._survey.bytes // 2 + _HEADROOM, self._tools.room.free()
        if need > free:
            raise disk_full(need=need, free=free)
        return base

    def _capture(self, spool: Spool) -> Captured:
        capture = Capture(
            self._desktop,
            self._rules,
            containerd=self._tools.containerd,
            freezer=self._tools.freezer,
            settings=self._tools.settings.capture,
            canaries=self._canaries,
            expected=self._survey.apparent,
            check=self._check,
        )
        return capture.run(spool, self._status)

    # The desktop runs from here

    async def _push(self, base: Base, captured: Captured) -> dict[str, Any]:
        blobs = captured.blobs
        layers = [Layer(blob.diff_id, blob.digest, blob.size) for blob in blobs]
        description = self._description(base)
        config = make_config(base.config, layers, description)
        manifest = make_manifest(base.manifest.json(), config, layers, description)
        target = repository(
            self._tools.registries.settings.prefix,
            self._request.owner,
            self._request.image,
        )
        total = sum(layer.size for layer in base.layers)
        total += sum(blob.size for blob in blobs) + len(config)
        step = self._status.begin("push", total)
        pusher = Pusher(
            self._tools.registries, self._tools.containerd, target, step.add
        )
        await pusher.base_layers(base)
        for layer, blob in zip(layers, blobs, strict=True):
            await pusher.new_layer(layer.descriptor, blob)
        await pusher.config(
            config, Descriptor(OCI_CONFIG, Digest.of(config), len(config))
        )
        self._status.begin("manifest")
        digest = await pusher.manifest(manifest, tag(self._request.number))
        return self._result(
            base, captured, description, target, digest, total + len(manifest)
        )

    def _description(self, base: Base) -> Description:
        origin_name, origin_digest = origin_of(
            base.config, base.name, base.manifest.digest
        )
        return Description(
            title=self._request.title or self._request.image,
            description=self._request.description,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            author=self._tools.settings.author,
            owner=self._request.owner,
            version=self._request.number,
            base_name=base.name,
            base_digest=base.manifest.digest,
            origin_name=origin_name,
            origin_digest=origin_digest,
        )

    def _result(
        self,
        base: Base,
        captured: Captured,
        description: Description,
        target: str,
        digest: Digest,
        size: int,
    ) -> dict[str, Any]:
        seconds = {
            name: self._status.seconds(name) for name in ("plan", "read", "push")
        }
        # The freeze that a person feels: from the pause to the thaw, nothing before or after.
        seconds["freeze"] = round(captured.frozen, 4)
        first = self._status.steps[0].started
        seconds["total"] = round(time.monotonic() - first, 4)
        blobs = captured.blobs
        return {
            "digest": digest,
            "reference": f"{self._tools.registries.settings.host}/{target}"
            f":{tag(self._request.number)}@{digest}",
            "base": {"name": base.name, "digest": base.manifest.digest},
            "origin": {
                "name": description.origin_name,
                "digest": description.origin_digest,
            },
            "size": size,
            "layers": len(base.layers) + len(blobs),
            "new_bytes": sum(blob.size for blob in blobs),
            "new_layers": {str(blob.digest): blob.size for blob in blobs},
            "changed_bytes": captured.content_bytes,
            "entries": self._survey.entries,
            "packages": self._survey.packages,
            "biggest": self._survey.biggest.to_list(),
            "left_out": captured.left_out.to_list(),
            "changed_while_saved": captured.changed_while_saved,
            "seconds": seconds,
            "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    # How it ends

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work; cancelled, wait until it has stopped and let go of the desktop."""
        future = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait([future])
            # Retrieved, so that its own end is not reported as forgotten.
            future.exception()
            raise

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled("cancelled")
