"""What both halves of the agent do alike: run until they are told to stop, and say what fails."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

log = logging.getLogger("snapshot_agent")


async def until_stopped(open: Callable[[AsyncExitStack], Awaitable[str]]) -> None:
    """Open a program and close it at SIGTERM or SIGINT; `open` says what is listening."""
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
