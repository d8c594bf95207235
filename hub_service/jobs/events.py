"""Tells those who look at a job that it changed."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator


class JobFeed:
    """Wakes up the streams of a job.

    For one change `asyncio.Condition` would do; here a stream that was not looking when
    the job changed must see the last state all the same, and a slow one must not queue
    up states that nobody needs any more: each stream has one flag, not a queue.
    """

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Event]] = defaultdict(set)

    def changed(self, id: str) -> None:
        """Wake up everybody who looks at this job."""
        for flag in self._watchers.get(id, ()):
            flag.set()

    async def changes(self, id: str, keepalive: float) -> AsyncIterator[bool]:
        """Yield True at once and after each change, False when `keepalive` seconds were silent."""
        flag = asyncio.Event()
        flag.set()
        self._watchers[id].add(flag)
        try:
            while True:
                try:
                    async with asyncio.timeout(keepalive):
                        await flag.wait()
                except TimeoutError:
                    yield False
                    continue
                flag.clear()
                yield True
        finally:
            self._watchers[id].discard(flag)
            if not self._watchers[id]:
                del self._watchers[id]

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(len(flags) for flags in self._watchers.values())
