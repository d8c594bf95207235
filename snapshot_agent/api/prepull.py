"""Fetching images to the node before somebody starts them, within a budget of its disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from oci.auth import Credentials
from snapshot_agent.errors import AgentError
from snapshot_agent.requests import WantedImage

log = logging.getLogger(__name__)

READY, WAITING, PULLING, NO_ROOM, FAILED = (
    "ready",
    "waiting",
    "pulling",
    "no_room",
    "failed",
)

# Packed in the content store, and unpacked: what a pull takes at most, measured on the base image
# (501 MB packed, 1.45 GB unpacked), with something to spare.
_UNPACKED = 4


@dataclass(frozen=True)
class PrepullSettings:
    """How much of the node is given to images that nobody has started yet."""

    # Packed bytes of all wanted images together.
    budget: int
    # The share of the disk that stays free: the kubelet removes images from 85 % on.
    keep_free: float
    # Seconds between two looks: the kubelet may have removed one.
    interval: float = 300.0


class Node(Protocol):
    """What is needed of the half that may speak with containerd; AgentError when it cannot."""

    async def image_size(self, reference: str) -> int | None: ...
    async def pull(self, reference: str, credentials: Credentials | None) -> None: ...
    async def disk(self) -> tuple[int, int]: ...


class Prepull:
    """Keeps the wanted images on the node, in the order of the wish.

    - one at a time, so that a person's own pull has the line;
    - an image that does not fit is passed over and said so; smaller ones after it are tried;
    - nothing is ever removed here: that is the kubelet's, which knows what runs.
    """

    def __init__(
        self,
        node: Node,
        settings: PrepullSettings,
        credentials: Credentials | None,
    ) -> None:
        self._node = node
        self._settings = settings
        self._credentials = credentials
        self._wanted: tuple[WantedImage, ...] = ()
        self._states: dict[str, tuple[str, str]] = {}
        self._wake = asyncio.Event()

    def want(self, images: Sequence[WantedImage]) -> list[dict[str, Any]]:
        """Take the list of what should be here; how far each one is."""
        if tuple(images) != self._wanted:
            self._wanted = tuple(images)
            self._wake.set()
        return [self._view(one.reference) for one in self._wanted]

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self._round(self._wanted)
            except AgentError as error:
                log.warning("images cannot be fetched beforehand: %s", error)
            try:
                async with asyncio.timeout(self._settings.interval):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _round(self, wanted: Sequence[WantedImage]) -> None:
        taken = 0
        self._states = {one.reference: self._known(one) for one in wanted}
        for one in wanted:
            if self._wanted is not wanted:
                return
            size = await self._node.image_size(one.reference)
            if size is not None:
                taken += size
                self._states[one.reference] = (READY, "")
            elif taken + one.size > self._settings.budget:
                self._say(one, NO_ROOM, "the budget for images that wait is used up")
            elif not await self._fits(one):
                self._say(one, NO_ROOM, "the disk is too full")
            elif await self._pull(one):
                taken += one.size

    def _known(self, one: WantedImage) -> tuple[str, str]:
        return self._states.get(one.reference, (WAITING, ""))

    async def _fits(self, one: WantedImage) -> bool:
        free, total = await self._node.disk()
        left = free - _UNPACKED * one.size
        return left >= self._settings.keep_free * total

    async def _pull(self, one: WantedImage) -> bool:
        self._states[one.reference] = (PULLING, "")
        try:
            await self._node.pull(one.reference, self._credentials)
        except AgentError as error:
            self._say(one, FAILED, str(error))
            return False
        log.info("fetched beforehand image=%s size=%d", one.reference, one.size)
        self._states[one.reference] = (READY, "")
        return True

    def _say(self, one: WantedImage, state: str, why: str) -> None:
        if self._states.get(one.reference) != (state, why):
            log.info("not fetched image=%s: %s", one.reference, why)
        self._states[one.reference] = (state, why)

    def _view(self, reference: str) -> dict[str, Any]:
        state, why = self._states.get(reference, (WAITING, ""))
        return {"reference": reference, "state": state, "why": why}
