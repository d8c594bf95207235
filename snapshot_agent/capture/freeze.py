"""Holds a container still, and never longer than allowed.

Who lets go, whatever happens:

- the block that froze it, when it ends or fails;
- a watchdog thread, when the deadline passes before that;
- the next start of the agent, when this one was killed: an intent file on the node tells.

What somebody else has paused stays paused.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from snapshot_agent.capture.containerd import ContainerdError, NotFound, TaskState

log = logging.getLogger(__name__)

# containerd may be restarting just now: a desktop must not stay frozen for that.
RESUME_FOR = 60.0
_RESUME_PAUSE = 0.2


class Tasks(Protocol):
    """What is needed of containerd."""

    def task_state(self, container_id: str) -> TaskState: ...
    def pause(self, container_id: str) -> None: ...
    def resume(self, container_id: str) -> None: ...


class Hold:
    """One freeze while it lasts."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.seconds = 0.0
        self.frozen = False
        # False when somebody else has paused it, who will resume it.
        self.ours = False
        self.expired = False
        self.over = False

    @property
    def still(self) -> bool:
        """True as long as nothing in the container can change."""
        return self.frozen and not self.expired and not self.over


_RUNS = (TaskState.RUNNING, TaskState.STOPPED)


class Freezer:
    """Freezes and thaws containers of this node.

    - the intent is on disk before the container is paused, and gone after it runs again;
    - a container that cannot be paused is left running, and the hold says so.
    """

    def __init__(
        self, tasks: Tasks, folder: Path, resume_for: float = RESUME_FOR
    ) -> None:
        self._tasks = tasks
        self._folder = folder
        self._resume_for = resume_for
        self._held: set[str] = set()

    @contextmanager
    def freeze(self, container_id: str, deadline: float) -> Iterator[Hold]:
        """Hold the container during the block, but not longer than `deadline` seconds."""
        hold = Hold()
        if self._tasks.task_state(container_id) is TaskState.PAUSED:
            # Paused by somebody else, who will resume it: still, and none of our business.
            hold.frozen = True
            yield hold
            hold.seconds = time.monotonic() - hold.started
            return
        release = _Release(self, container_id, hold)
        watchdog = threading.Timer(deadline, release.expire)
        watchdog.daemon = True
        # Held before the intent is written, so that recover() never takes it away.
        self._held.add(container_id)
        paused = 0.0
        try:
            self._write_intent(container_id)
            hold.ours, hold.started = True, time.monotonic()
            hold.frozen = self._try_pause(container_id)
            # Not before: a watchdog that ran out during the pause would thaw too early, and
            # nobody would afterwards.
            watchdog.start()
            paused = time.monotonic() - hold.started
            yield hold
        finally:
            watchdog.cancel()
            held = time.monotonic() - hold.started
            release.now()
            log.info(
                "thawed container=%s pause=%.3f held=%.3f thaw=%.3f",
                container_id,
                paused,
                held,
                hold.seconds,
            )
            self._held.discard(container_id)

    def recover(self) -> list[str]:
        """Let go of what an agent that was killed has left frozen; the containers resumed."""
        resumed = []
        for path in sorted(self._folder.glob("*.freeze")):
            container_id = path.stem
            if container_id in self._held:
                continue
            try:
                state = self._tasks.task_state(container_id)
                if state not in _RUNS:
                    self._tasks.resume(container_id)
                    resumed.append(container_id)
                    log.warning(
                        "resumed a container that was left frozen container=%s",
                        container_id,
                    )
            except NotFound:
                pass
            except ContainerdError as error:
                # The intent stays, so the next call tries again.
                log.error("cannot resume container=%s: %s", container_id, error)
                continue
            else:
                if state not in (*_RUNS, TaskState.PAUSED):
                    # Not known, or on its way into the pause: the next call looks again.
                    continue
            # A disk that cannot be written must not keep the others frozen.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        return resumed

    def _try_pause(self, container_id: str) -> bool:
        try:
            self._tasks.pause(container_id)
            return True
        except ContainerdError as error:
            # A runtime that cannot pause: the save goes on with the desktop running.
            log.warning("container is not paused container=%s: %s", container_id, error)
            return False

    def _resume(self, container_id: str) -> bool:
        """True when the container runs, or is no more."""
        deadline = time.monotonic() + self._resume_for
        while True:
            try:
                # Asked first: a pause that timed out may or may not have happened. What is not
                # known to run is resumed: containerd says UNKNOWN when a shim is slow.
                if self._tasks.task_state(container_id) not in _RUNS:
                    self._tasks.resume(container_id)
                return True
            except NotFound:
                return True
            except ContainerdError as error:
                if time.monotonic() > deadline:
                    log.error("cannot resume container=%s: %s", container_id, error)
                    return False
            time.sleep(_RESUME_PAUSE)

    def _write_intent(self, container_id: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{container_id}.freeze"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"container": container_id, "since": time.time()}, file)
            file.flush()
            os.fsync(file.fileno())

    def _drop_intent(self, container_id: str) -> None:
        (self._folder / f"{container_id}.freeze").unlink(missing_ok=True)


class _Release:
    """Thaws once, whoever comes first: the block or the watchdog."""

    def __init__(self, freezer: Freezer, container_id: str, hold: Hold) -> None:
        self._freezer = freezer
        self._container_id = container_id
        self._hold = hold
        self._lock = threading.Lock()
        self._done = False

    def expire(self) -> None:
        # Marked first: what is read from now on is no longer held still.
        self._hold.expired = True
        log.warning("the freeze reached its deadline container=%s", self._container_id)
        self.now()

    def now(self) -> None:
        with self._lock:
            if self._done:
                return
            # Marked first: it may change before the call has returned.
            self._hold.over = self._hold.frozen
            if self._freezer._resume(self._container_id):
                self._done = True
                # A pause that was given up may still come true: then recover() has to know.
                if self._hold.frozen:
                    self._freezer._drop_intent(self._container_id)
            self._hold.seconds = time.monotonic() - self._hold.started
