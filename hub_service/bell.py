"""Wakes a loop before its time."""

import asyncio


class Bell:
    """What a loop waits for between two turns.

    A ring while the loop is at work is not lost: its next wait ends at once.
    """

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the wait that is going on, or the next one."""
        self._rung.set()

    async def wait(self, seconds: float | None) -> bool:
        """Wait for a ring, so many seconds at most (None: for ever); say whether it rang."""
        try:
            # Not wait_for: until Python 3.12 it may lose a cancellation that comes together
            # with the event, and the program would never end (bpo-37658).
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True
