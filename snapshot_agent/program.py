"""What both halves of the agent do alike: run until they are told to stop, and say what fails."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

log = logging.getLogger("snapshot_agent")

# <malloc.h>
_M_TRIM_THRESHOLD = -1
_KEPT_FREE = 8 << 20


async def until_stopped(open: Callable[[AsyncExitStack], Awaitable[str]]) -> None:
    """Open a program and close it at SIGTERM or SIGINT; `open` says what is listening."""
    give_memory_back()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with AsyncExitStack() as stack:
            log.info("listening %s", await open(stack))
            await stop.wait()
            log.info("stopping")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def ended(task: asyncio.Task[Any]) -> None:
    """End a background task and see its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def give_memory_back() -> None:
    """Let the C library return large blocks to the system as soon as they are free.

    By itself it takes ever larger ones from its heap, after the first that was freed, and a small
    one behind them keeps them all: each save would leave some more behind, up to 40 MiB.
    """
    # A C library that is not glibc has no such call, nor such a heap.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_FREE)
