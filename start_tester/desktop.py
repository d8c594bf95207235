"""The test: the page answers, the display answers, the screen is painted and at rest."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from PIL import Image
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketError

from start_tester.connection import DisplayConnection, page_status, reason_of
from start_tester.errors import StartError
from start_tester.events import Log
from start_tester.picture import ENOUGH, colours, image_of, thumbnail
from start_tester.rfb import Rfb
from start_tester.settings import Settings

PAUSE = 0.3
LONGEST_PAUSE = 3.0
"""Each attempt at a display that is not there fills the desktop's log with thirty lines."""
REST = 1.0
"""Seconds without a change after which a painted screen is the one that people see."""
PATIENCE = 8.0
"""Seconds after which a screen that goes on changing (a clock, a film) is taken as it is."""

BROKEN = (OSError, HTTPClientError, WebSocketError)
Answer = TypeVar("Answer")


async def look(settings: Settings, log: Log) -> dict[str, Any]:
    """Return colours, seconds and the picture, or raise StartError."""
    await _until(
        settings,
        log,
        lambda: _page(settings),
        StartError("page", "The desktop page does not answer."),
    )
    log.write("the desktop page answers")
    image = await _until(
        settings,
        log,
        lambda: _painted(settings, log),
        StartError("display", "The display does not answer."),
    )
    found = colours(image)
    log.write(f"painted: {image.width} x {image.height}, {found} colours")
    return {"colours": found, "seconds": log.seconds, "picture": thumbnail(image)}


async def _until(
    settings: Settings,
    log: Log,
    attempt: Callable[[], Awaitable[Answer]],
    failure: StartError,
) -> Answer:
    """Try until it works or the time is over; then raise what was wrong the last time."""
    said, pause = "", PAUSE
    while True:
        try:
            return await attempt()
        except StartError as error:
            failure, why = error, str(error)
        except BROKEN as error:
            why = reason_of(error)
        if why != said:
            log.write(f"not yet: {why}")
            said = why
        if log.seconds > settings.seconds:
            failure.details.setdefault("why", why)
            failure.details["seconds"] = log.seconds
            raise failure
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE) if failure.code != "page" else PAUSE


async def _page(settings: Settings) -> None:
    status = await page_status(settings)
    if status:
        raise StartError("page", f"The desktop page does not answer: {status}")


async def _painted(settings: Settings, log: Log) -> Image.Image:
    """Return the screen once it is painted and has come to rest."""
    connection = await DisplayConnection.open(settings)
    try:
        display = Rfb(connection.read, connection.write)
        await display.begin()
        image = image_of(await display.screen())
        if (found := colours(image)) < ENOUGH:
            raise StartError("blank", "The screen stays empty.", colours=found)
        began = log.seconds
        while log.seconds - began < PATIENCE:
            await asyncio.sleep(REST)
            before, image = image, image_of(await display.screen())
            if image.tobytes() == before.tobytes():
                break
        return image
    finally:
        connection.close()
