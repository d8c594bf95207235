"""The algorithm of a save, one method a step, in the order in which they happen.

plan      find everything, refuse what is not known, ask the registry: nothing is touched yet
read      the desktop runs, and everything is read, compressed and hashed on the way
freeze    the desktop stands still while what has changed since is found and copied
push      the desktop runs; base layers are mounted, new ones sent
manifest  by digest, then by tag
"""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from oci.manifest import OCI_CONFIG, Descriptor
from oci.names import repository, tag
from oci.reference import Digest

from .base import Base, BaseFinder, check_depth
from .canary import canaries
from .changes import Change, Walker
from .container import Desktop, check_still_there
from .containerd import Containerd
from .errors import SAFE, AgentError, Cancelled, SecretFound
from .exclusions import Rules, printable, volumes
from .failures import cancelled, disk_full, explained
from .freeze import Freezer, Hold
from .home_defaults import HomeDefaults
from .image_spec import Description, Layer, make_config, make_manifest, origin_of
from .index import Index
from .layer import SecretInStream, Sink, TarWriter
from .lower import LowerView
from .push import Pusher
from .registries import Registries
from .requests import CommitRequest
from .room import Room
from .spool import Blob, LayerFile, RawFile, Spool
from .status import State, Status, Step
from .survey import LeftOut, Survey, survey

log = logging.getLogger(__name__)

# Each one is a file of its own with a secret deep inside: so many are no accident.
_MOST_RESTARTS = 5
_MOST_NAMED = 100
_HEADROOM = 64 * 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True)
class CommitSettings:
    """What an administrator decides about every save."""

    freeze: bool = True
    freeze_deadline: float = 10.0
    zstd_level: int = 3
    zstd_threads: int = 0
    largest_file: int = 64 << 30
    home_defaults: str = "home_nbuser_default"
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
        self._left_out = LeftOut()
        self._denied: set[tuple[int, int]] = set()
        self._canaries: tuple[bytes, ...] = ()
        self._changed_while_saved: list[str] = []
        self._hold = Hold()
        self._defaults: HomeDefaults | None = None
        self._survey = Survey()
        self._content_bytes = 0

    async def run(self) -> None:
        """Do it; the end is in the status."""
        spool = Spool(self._tools.room, self._request.id)
        result: dict[str, Any] = {}
        failure: AgentError | None = None
        try:
            spool.make()
            base = await self._plan()
            blobs = await self._in_thread(lambda: self._capture(spool))
            result = await self._push(base, blobs)
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

    # In a thread of its own from here: reading, freezing, thawing

    def _capture(self, spool: Spool) -> list[Blob]:
        for _ in range(_MOST_RESTARTS):
            try:
                return self._capture_once(spool)
            except SecretInStream as found:
                log.warning(
                    "a secret deep in a file, again without it save=%s",
                    self._request.id,
                )
                self._denied.add(found.identity)
                path = found.path
        raise SecretFound(
            "The desktop's own access keys are in several large files, so it was not saved. "
            f"{SAFE} Delete {printable(path)} and save again.",
            path=printable(path),
        )

    def _capture_once(self, spool: Spool) -> list[Blob]:
        self._left_out = LeftOut(volumes(self._desktop.mounts))
        self._changed_while_saved = []
        with (
            LowerView(list(self._desktop.lowers)) as lower,
            io.BufferedRandom(spool.open("index")) as file,
        ):
            walker = Walker(self._desktop.upper, lower, self._rules, self._left_out)
            self._defaults = HomeDefaults(
                self._rules.home,
                self._tools.settings.home_defaults,
                lambda path: lower.kind(path) is not None,
            )
            root = walker.root()
            try:
                index = Index(file)
                first = self._read(spool, walker, index)
                second = self._freeze(spool, walker, index, root.fd)
            finally:
                root.close()
        return [blob for blob in (first, second) if blob is not None]

    def _read(self, spool: Spool, walker: Walker, index: Index) -> Blob | None:
        """Everything, while the desktop runs; the index says what of it may be stale."""
        step = self._status.begin("read", self._survey.apparent)
        layer = self._layer(spool, "first")
        try:
            writer = self._writer(layer, step, live=True)
            for change in walker.walk(index.record):
                self._check()
                self._take(writer, change)
            writer.finish()
        except BaseException:
            layer.abort()
            raise
        self._content_bytes = writer.content_bytes
        blob = layer.close()
        return blob if writer.entries else None

    def _freeze(
        self, spool: Spool, walker: Walker, index: Index, root_fd: int
    ) -> Blob | None:
        """What has changed since, copied as it is while the desktop stands still."""
        step = self._status.begin("freeze")
        raw = RawFile(spool.open("second.tar"))
        try:
            with self._held():
                writer = self._writer(raw, step, live=not self._hold.still)
                for change in index.changes(walker):
                    self._check()
                    self._take(writer, change)
                    self._note_unsteady(change)
                check_still_there(self._tools.containerd, self._desktop, root_fd)
            writer.finish()
        finally:
            raw.close()
        if not writer.entries:
            return None
        self._content_bytes += writer.content_bytes
        blob = raw.compress(self._layer(spool, "second"), self._check)
        spool.drop("second.tar")
        return blob

    def _take(self, writer: TarWriter, change: Change) -> None:
        writer.add(change)
        again = self._defaults.place(change) if self._defaults else None
        if again is not None:
            writer.add_again(change, again)

    @contextmanager
    def _held(self) -> Iterator[None]:
        settings = self._tools.settings
        if not settings.freeze:
            self._hold = Hold()
            yield
            return
        freezing = self._tools.freezer.freeze(
            self._desktop.container_id, settings.freeze_deadline
        )
        # A collection of garbage may take as long as the whole freeze: before it, not in it.
        gc.collect()
        gc.disable()
        try:
            with freezing as self._hold:
                yield
        finally:
            gc.enable()

    def _note_unsteady(self, change: Change) -> None:
        if not self._hold.still and len(self._changed_while_saved) < _MOST_NAMED:
            if change.time() == -1 and change.stat is not None:
                self._changed_while_saved.append(printable(change.path))

    def _layer(self, spool: Spool, name: str) -> LayerFile:
        settings = self._tools.settings
        file = spool.open(f"{name}.tar.zst")
        return LayerFile(file, settings.zstd_level, settings.zstd_threads)

    def _writer(self, sink: Sink, step: Step, live: bool) -> TarWriter:
        def progress(count: int) -> None:
            # Here too: one file may be larger than everything else together.
            self._check()
            step.add(count)

        return TarWriter(
            sink,
            canaries=self._canaries,
            denied=self._denied,
            leave_out=self._left_out,
            largest_file=self._tools.settings.largest_file,
            progress=progress,
            live=live,
        )

    # The desktop runs from here

    async def _push(self, base: Base, blobs: list[Blob]) -> dict[str, Any]:
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
            base, blobs, description, target, digest, total + len(manifest)
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
        blobs: list[Blob],
        description: Description,
        target: str,
        digest: Digest,
        size: int,
    ) -> dict[str, Any]:
        seconds = {
            name: self._status.seconds(name) for name in ("plan", "read", "push")
        }
        # The freeze that a person feels: from the pause to the thaw, nothing before or after.
        seconds["freeze"] = round(self._hold.seconds, 4)
        first = self._status.steps[0].started
        seconds["total"] = round(time.monotonic() - first, 4)
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
            "changed_bytes": self._content_bytes,
            "entries": self._survey.entries,
            "packages": self._survey.packages,
            "biggest": self._survey.biggest.to_list(),
            "left_out": self._left_out.to_list(),
            "changed_while_saved": self._changed_while_saved,
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
