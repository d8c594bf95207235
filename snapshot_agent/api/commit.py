"""The algorithm of a save, one method a step, in the order in which they happen.

plan      find everything, refuse what is not known, ask the registry: nothing is touched yet
read      the desktop runs, and everything is read, compressed and hashed on the way
freeze    the desktop stands still while what has changed since is found and copied
push      the desktop runs; base layers are mounted, new ones sent that were not sent before
manifest  by digest, then by tag

Reading and freezing is the other half's: here is what it tells of them.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oci.manifest import OCI_CONFIG, Descriptor
from oci.names import repository, tag
from oci.reference import Digest
from snapshot_agent.api.base import Base, BaseFinder
from snapshot_agent.api.capture_client import CaptureClient
from snapshot_agent.api.early import EarlyPush
from snapshot_agent.api.push import Pusher
from snapshot_agent.api.pushed import Pushed, PushedSaves
from snapshot_agent.api.registries import Registries
from snapshot_agent.errors import AgentError, Cancelled, CaptureAway
from snapshot_agent.failures import cancelled, explained
from snapshot_agent.image_spec import (
    Description,
    Layer,
    make_config,
    make_manifest,
    origin_of,
)
from snapshot_agent.requests import CommitRequest
from snapshot_agent.spool_paths import folder_of
from snapshot_agent.status import State, Status, Step
from snapshot_agent.wire import (
    CaptureRequest,
    EarlierLayer,
    Event,
    LayerWritten,
    Place,
    SpooledLayer,
    StepBegins,
    StepGoesOn,
    Taken,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tools:
    """What every save works with; `spool` is where the other half puts layers."""

    capture: CaptureClient
    registries: Registries
    spool: Path
    author: str = "JupyterHub Desktops"
    pushed: PushedSaves = field(default_factory=PushedSaves)


class BlobsOf:
    """The blobs of the image below one container, on its node."""

    def __init__(self, capture: CaptureClient, place: Place) -> None:
        self._capture = capture
        self._place = place

    async def size(self, digest: Digest) -> int | None:
        return await self._capture.blob_size(self._place, digest)

    def read(self, digest: Digest) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._capture.blob(self._place, digest)


class Commit:
    """One save of one desktop; `run` ends in a result or in an AgentError.

    - before the freeze nothing of the desktop is touched, and during it nothing is sent;
    - whatever happens, the desktop runs again and the spool is empty when `run` returns;
    - memory does not depend on how much is saved.
    """

    def __init__(
        self, request: CommitRequest, place: Place, tools: Tools, status: Status
    ) -> None:
        self._request = request
        self._place = place
        self._tools = tools
        self._status = status
        self._blobs = BlobsOf(tools.capture, place)
        # The layers of the last save, if the registry still has them.
        self._earlier: tuple[Digest, ...] = ()

    async def run(self) -> None:
        """Do it; the end is in the status."""
        result: dict[str, Any] = {}
        failure: AgentError | None = None
        try:
            base = await self._plan()
            early = EarlyPush(self._pusher(Step("push")))
            capture = self._tools.capture.capture(self._wanted(base))
            async with early, capture as events:
                taken = await self._follow(events, early)
                result = await self._push(base, taken, early)
        except asyncio.CancelledError:
            failure = cancelled()
        except FileNotFoundError as error:
            # Its successor empties the spool, and this one was still sending from it.
            log.info("a layer is gone save=%s: %s", self._request.id, error)
            failure = CaptureAway("its layers are gone")
        except Exception as error:
            failure = explained(error, self._request.id)
        # Only now: who reads that a save has ended finds nothing of it left.
        if failure is None:
            self._status.succeed(result)
        else:
            asked = isinstance(failure, Cancelled)
            self._status.fail(failure, State.CANCELLED if asked else State.FAILED)

    async def _plan(self) -> Base:
        self._status.begin("plan")
        registries = self._tools.registries
        await registries.own.ping(attempts=2)
        record = await self._tools.capture.base(self._place)
        base = await BaseFinder(self._blobs, registries).find(record)
        pushed = self._tools.pushed.take(self._place.container_id)
        if pushed is not None and await self._pusher(Step("push")).has(pushed):
            self._earlier = pushed.digests
        return base

    def _wanted(self, base: Base) -> CaptureRequest:
        return CaptureRequest(
            self._place,
            self._request.include_home,
            self._request.exclude,
            self._request.id,
            base.document.decode("utf-8", "surrogateescape"),
            self._earlier,
            self._request.room,
        )

    async def _follow(self, events: AsyncIterator[Event], early: EarlyPush) -> Taken:
        async for event in events:
            if isinstance(event, Taken):
                earlier = tuple(layer.digest for layer in event.earlier)
                if earlier not in ((), self._earlier):
                    raise CaptureAway("it stands on layers that nobody has named")
                early.resume()
                return event
            if isinstance(event, LayerWritten):
                layer = event.layer
                early.add(_layer(layer).descriptor, self._folder / layer.name)
            elif isinstance(event, StepBegins):
                self._begin(event, early)
            elif isinstance(event, StepGoesOn):
                self._status.reach(event.done)
        raise CaptureAway("it ended before it was taken")

    def _begin(self, event: StepBegins, early: EarlyPush) -> None:
        if event.name == "freeze":
            early.pause()
        else:
            # It is read from its start, perhaps once more.
            early.forget()
            early.resume()
        self._status.begin(event.name, event.total)

    # The desktop runs from here

    async def _push(self, base: Base, taken: Taken, early: EarlyPush) -> dict[str, Any]:
        blobs = taken.layers
        layers = [_layer(one) for one in taken.all_layers]
        description = self._description(base)
        below = base.without_saved(taken.joined)
        config = make_config(below.config, layers, description)
        manifest = make_manifest(below.manifest.json(), config, layers, description)
        new_bytes = sum(blob.size for blob in blobs) + len(config)
        kept_bytes = sum(layer.size for layer in below.layers)
        kept_bytes += sum(layer.size for layer in taken.earlier)
        size = new_bytes + kept_bytes + len(manifest)
        step = self._status.begin("push", new_bytes)
        pusher = self._pusher(step)
        await pusher.base_layers(below)
        there = await early.finish({blob.digest for blob in blobs}, step)
        await pusher.new_layers(
            [
                (_layer(blob).descriptor, self._folder / blob.name)
                for blob in blobs
                if blob.digest not in there
            ]
        )
        await pusher.config(
            config, Descriptor(OCI_CONFIG, Digest.of(config), len(config))
        )
        self._status.begin("manifest")
        digest = await pusher.manifest(manifest, tag(self._request.number))
        self._tools.pushed.put(
            self._place.container_id,
            Pushed(tuple(layer.digest for layer in layers), pusher.repository),
        )
        return self._result(base, taken, description, pusher.repository, digest, size)

    @property
    def _folder(self) -> Path:
        return folder_of(self._tools.spool, self._request.id)

    def _pusher(self, step: Step) -> Pusher:
        target = repository(
            self._tools.registries.settings.prefix,
            self._request.owner,
            self._request.image,
        )
        return Pusher(self._tools.registries, self._blobs, target, step)

    def _description(self, base: Base) -> Description:
        origin_name, origin_digest = origin_of(
            base.config, base.name, base.manifest.digest
        )
        return Description(
            title=self._request.title or self._request.image,
            description=self._request.description,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            author=self._tools.author,
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
        taken: Taken,
        description: Description,
        target: str,
        digest: Digest,
        size: int,
    ) -> dict[str, Any]:
        blobs = taken.all_layers
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
            "layers": len(base.layers) - taken.joined + len(blobs),
            "new_bytes": sum(blob.size for blob in blobs),
            "new_layers": {str(blob.digest): blob.size for blob in blobs},
            "unchanged": bool(taken.earlier) and not taken.layers,
            "kept_layers": len(taken.earlier),
            "joined_layers": [str(one.digest) for one in base.saved(taken.joined)],
            "changed_bytes": taken.content_bytes,
            "entries": taken.entries,
            "packages": taken.packages,
            "biggest": taken.biggest,
            "left_out": taken.left_out,
            "changed_while_saved": taken.changed_while_saved,
            "seconds": self._seconds(taken),
            "peak_memory": taken.peak_memory
            + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    def _seconds(self, taken: Taken) -> dict[str, float]:
        seconds = {
            name: self._status.seconds(name) for name in ("plan", "read", "push")
        }
        # The freeze that a person feels: from the pause to the thaw, nothing before or after.
        seconds["freeze"] = round(taken.frozen, 4)
        first = self._status.steps[0].started
        seconds["total"] = round(time.monotonic() - first, 4)
        return seconds


def _layer(one: EarlierLayer | SpooledLayer) -> Layer:
    return Layer(one.diff_id, one.digest, one.size)
