"""Sends layers that are finished while the rest of the desktop is still read."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from oci.errors import OciError
from oci.manifest import Descriptor
from oci.reference import Digest
from oci.upload import BlobSource, file_source
from snapshot_agent.api.push import Pusher
from snapshot_agent.status import Step

log = logging.getLogger(__name__)

# More than a save ever has, also when it begins again a few times.
_MOST_LAYERS = 200


class EarlyPush:
    """The layers of one save, one after the other, as they come.

    - no layer moves while the desktop stands still;
    - a failure here is none of the save: what is not there by its end is sent again, and told;
    - nothing of it goes on when its block is left, but for the closing of an upload.
    """

    def __init__(self, pusher: Pusher) -> None:
        self._pusher = pusher
        self._waiting: deque[tuple[Descriptor, Path]] = deque()
        self._added = 0
        self._current: Digest | None = None
        self._task: asyncio.Task[None] | None = None
        # Cancelled, and closing their uploads.
        self._ending: set[asyncio.Task[None]] = set()
        self._may_move = asyncio.Event()
        self._may_move.set()
        self._done: dict[Digest, int] = {}
        self._arrived: set[Digest] = set()
        self._wanted: Collection[Digest] = ()
        self._step: Step | None = None

    async def __aenter__(self) -> EarlyPush:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.forget()
        if self._ending:
            await asyncio.wait(self._ending)

    def add(self, layer: Descriptor, path: Path) -> None:
        """Send a finished layer as soon as those before it are sent."""
        self._added += 1
        if self._added > _MOST_LAYERS:
            return
        self._waiting.append((layer, path))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def pause(self) -> None:
        """Let nothing move until `resume`."""
        self._may_move.clear()

    def resume(self) -> None:
        self._may_move.set()

    def forget(self) -> None:
        """Send no more of what was added: it is part of no image, or another one's to send."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            self._ending.add(self._task)
            self._task, self._current = None, None

    async def finish(self, wanted: Collection[Digest], step: Step) -> set[Digest]:
        """Return what has arrived; only the layer that is on its way is waited for.

        The `step` is told how many bytes of what is `wanted` are sent.
        """
        self._waiting.clear()
        if self._current not in wanted:
            self.forget()
        step.had(sum(self._done.get(digest, 0) for digest in wanted))
        self._wanted, self._step = wanted, step
        if self._task is not None:
            await asyncio.wait([self._task])
        return self._arrived

    async def _run(self) -> None:
        while self._waiting:
            layer, path = self._waiting.popleft()
            self._current = layer.digest
            progress = partial(self._reach, layer.digest)
            source = file_source(str(path))
            try:
                await self._may_move.wait()
                await self._pusher.layer(layer, self._gated(source), progress)
                self._arrived.add(layer.digest)
            except (OciError, OSError) as error:
                # The file may be gone, or another one, when the reading began again.
                log.info("layer %s was not sent early: %r", layer.digest, error)
            except Exception:
                log.exception("layer %s was not sent early", layer.digest)
            finally:
                if self._current == layer.digest:
                    self._current = None
                if layer.digest not in self._arrived:
                    progress(0)

    def _reach(self, digest: Digest, done: int) -> None:
        before, self._done[digest] = self._done.get(digest, 0), done
        if self._step is not None and digest in self._wanted:
            self._step.add(done - before)

    def _gated(self, source: BlobSource) -> BlobSource:
        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
            await self._may_move.wait()
            async with source() as chunks:
                yield self._slowed(chunks)

        return opened

    async def _slowed(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            await self._may_move.wait()
            yield chunk
