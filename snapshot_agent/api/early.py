"""Sends layers that are finished while the rest of the desktop is still read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from oci.errors import OciError
from oci.manifest import Descriptor
from oci.reference import Digest
from oci.upload import BlobSource, file_source
from snapshot_agent.api.push import Pusher

log = logging.getLogger(__name__)


class EarlyPush:
    """The layers of one save, one after the other, as they come.

    - nothing moves while the desktop stands still;
    - a failure here is none of the save: what is not there by its end is sent again, and told;
    - nothing of it goes on when its block is left.
    """

    def __init__(self, pusher: Pusher) -> None:
        self._pusher = pusher
        self._queue: asyncio.Queue[tuple[Descriptor, Path] | None] = asyncio.Queue()
        self._may_move = asyncio.Event()
        self._may_move.set()
        self._done: dict[Digest, int] = {}
        self._arrived: set[Digest] = set()
        self._wanted: Collection[Digest] = ()
        self._tell: Callable[[int], None] = lambda count: None

    async def __aenter__(self) -> EarlyPush:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def add(self, layer: Descriptor, path: Path) -> None:
        """Send a finished layer as soon as those before it are sent."""
        self._queue.put_nowait((layer, path))

    def pause(self) -> None:
        """Let nothing move until `resume`."""
        self._may_move.clear()

    def resume(self) -> None:
        self._may_move.set()

    async def finish(
        self, wanted: Collection[Digest], tell: Callable[[int], None]
    ) -> set[Digest]:
        """Return what has arrived, when there is nothing left to send.

        `tell` is told how many bytes of what is `wanted` are sent, those of before at once.
        """
        self._wanted, self._tell = wanted, tell
        tell(sum(done for digest, done in self._done.items() if digest in wanted))
        self._queue.put_nowait(None)
        await asyncio.wait([self._task])
        return self._arrived

    async def _run(self) -> None:
        while (one := await self._queue.get()) is not None:
            layer, path = one
            progress, source = partial(self._reach, layer), file_source(str(path))
            try:
                await self._pusher.layer(layer, self._gated(source), progress)
            except (OciError, OSError) as error:
                # The file may be gone, or another one, when the reading began again.
                log.info("layer %s was not sent early: %r", layer.digest, error)
                progress(0)
            else:
                self._arrived.add(layer.digest)

    def _reach(self, layer: Descriptor, done: int) -> None:
        before = self._done.get(layer.digest, 0)
        self._done[layer.digest] = done
        if layer.digest in self._wanted:
            self._tell(done - before)

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
