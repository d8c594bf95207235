"""Following a job to its end, over broken connections."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from desktops_cli.client import Client
from desktops_cli.errors import Unavailable
from desktops_cli.events import Event, read_events
from desktops_cli.progress import Progress
from desktops_cli.words import Translate

PATIENCE = 300.0
"""Seconds without a word after which it is given up: an upgrade of the hub takes less."""
LONGEST_PAUSE = 10.0


@dataclass
class Follower:
    """Follows jobs.

    - a connection that breaks is made again, with growing pauses; no part of a log comes twice
    - a refusal (not allowed, no such job) ends it at once
    """

    client: Client
    progress: Progress
    _: Translate
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def follow(self, id: str) -> dict[str, Any]:
        """Return the job when it has ended."""
        state = _State(self.progress)
        heard, seconds = self.clock(), 0.5
        while state.job is None or state.job["ended"] is None:
            try:
                with self.client.events(f"/jobs/{id}/events", state.last_id) as chunks:
                    for event in read_events(chunks):
                        state.take(event)
                        heard, seconds = self.clock(), 0.5
            except Unavailable:
                if self.clock() - heard > PATIENCE:
                    raise
            if state.job is None or state.job["ended"] is None:
                self.progress.show(self._("The connection broke; trying again…"))
                self.pause(seconds)
                seconds = min(seconds * 2, LONGEST_PAUSE)
        return state.job


class _State:
    """What is known of the job so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._logged = 0
        self.job: dict[str, Any] | None = None
        self.last_id = ""

    def take(self, event: Event) -> None:
        """Show what an event says."""
        self.last_id = event.id or self.last_id
        if event.name == "job":
            self.job = dict(json.loads(event.data))
            self._progress.job(self.job)
        elif event.name == "log":
            part = json.loads(event.data)
            text = part["text"][max(0, self._logged - part["offset"]) :]
            self._logged = max(self._logged, part["offset"] + len(part["text"]))
            if text:
                self._progress.log(text)
