"""Whether a save makes the layers of earlier saves one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.container import Desktop
from snapshot_agent.capture.ground import joined_layers
from snapshot_agent.errors import SAFE, NoRoomToJoin, TooManyLayers
from snapshot_agent.exclusions import Rules
from snapshot_agent.image_spec import saved_layers
from snapshot_agent.tree.changes import Change, Kind, size_of
from snapshot_agent.tree.frame import TooManyNames
from snapshot_agent.tree.joined import CannotJoin, JoinedLayers
from snapshot_agent.tree.lower import LowerView
from snapshot_agent.tree.overlay import Strange

log = logging.getLogger(__name__)

# Saves on top of one another, before all of them become one; each has several layers at most.
MOST_SAVES = 8
# So much of what earlier saves have written is replaced by now, or deleted.
DEAD_SHARE = 0.3

# What was read while the desktop ran, and what changed until it stood still.
LAYERS_OF_A_SAVE = 24
# What the layers of earlier saves become.
_LAYERS_OF_A_JOIN = 8
# Docker starts nothing above 125 layers, and containerd is tested with 128: room for builds on top.
MOST_LAYERS = 100

# Files with several names: each is 370 bytes of memory until its layer is written. All those of a
# home are among the home defaults again.
_MOST_LINKED = 300_000

# What is no reason to break off a save: it does without.
CANNOT = (CannotJoin, TooManyNames, Strange, OSError)


@dataclass(frozen=True)
class Plan:
    """What is to become one."""

    depth: int
    """So many layers are below the desktop."""
    layers: int = 0
    """So many of these, the uppermost ones, are of earlier saves and become one; 0: none do."""
    bytes: int = 0
    """What is left of them, as far as it is known."""
    apparent: int = 0
    """The same with holes as zeros, as they go through the compressor."""
    entries: int = 0

    @property
    def needed(self) -> bool:
        """True when the image has too many layers for one more save."""
        return self.depth + LAYERS_OF_A_SAVE > MOST_LAYERS

    def without(self) -> Plan:
        """The plan that leaves them as they are; TooManyLayers."""
        if self.needed:
            raise _too_many(self.depth)
        return Plan(self.depth)


Fits = Callable[[int, int], bool]


class Joining:
    """Decides it, for one desktop.

    - layers that were there before the first save are never among them;
    - a save that can be made without is made without, whatever stands in the way;
    - TooManyLayers when the image has more than one that is started may have, and joining does
      not help; NoRoomToJoin when it would, and there is no room for it.
    """

    def __init__(
        self,
        desktop: Desktop,
        config: dict[str, Any],
        rules: Rules,
        settings: CaptureSettings,
        check: Callable[[], None],
    ) -> None:
        """`config` is the image's; `check` raises to break off."""
        self._desktop = desktop
        self._rules = rules
        self._settings = settings
        self._check = check
        self._none = Plan(len(desktop.lowers))
        self._layers, self._saves = 0, 0
        known = len((config.get("rootfs") or {}).get("diff_ids") or [])
        if settings.join_saves and known == self._none.depth:
            self._layers, self._saves = saved_layers(config)

    def decide(self, fits: Fits) -> Plan:
        """What becomes one; `fits` tells whether so many bytes and entries more are allowed."""
        if not 0 < self._layers < self._none.depth:
            return self._none.without()
        left = self._none.depth - self._layers + _LAYERS_OF_A_JOIN
        if left + LAYERS_OF_A_SAVE > MOST_LAYERS:
            raise _too_many(self._none.depth)
        try:
            plan = self._look()
            if not self._wanted(plan):
                return self._none
        except CANNOT as error:
            tell_unjoined(self._desktop, repr(error))
            return self._none.without()
        if not fits(plan.bytes, plan.entries):
            if self._none.needed:
                raise _no_room(self._none.depth, plan.bytes)
            why = "there is no room for it, or it is more than one save may hold"
            tell_unjoined(self._desktop, why)
            return self._none
        return plan

    def _wanted(self, plan: Plan) -> bool:
        if self._saves > MOST_SAVES or plan.needed:
            return True
        return plan.bytes < (1 - DEAD_SHARE) * self._written()

    def _look(self) -> Plan:
        total = apparent = entries = 0
        desktop, rules, settings = self._desktop, self._rules, self._settings
        with joined_layers(desktop, self._layers, rules, settings) as layers:
            once = _Once()
            for change in self._walked(layers):
                entries += 1
                found = once.file(change)
                if found is not None:
                    total += size_of(found)
                    apparent += found.st_size
        return Plan(self._none.depth, self._layers, total, apparent, entries)

    def _written(self) -> int:
        """The bytes of all these layers, each by itself."""
        total = 0
        with LowerView([]) as nothing:
            for path in self._desktop.lowers[: self._layers]:
                with JoinedLayers([path], nothing) as layer:
                    once = _Once()
                    for change in self._walked(layer):
                        found = once.file(change)
                        total += 0 if found is None else size_of(found)
        return total

    def _walked(self, layers: JoinedLayers) -> Iterator[Change]:
        for change in layers.walk():
            self._check()
            yield change


def tell_unjoined(desktop: Desktop, why: str) -> None:
    """Say why the layers of earlier saves are not joined."""
    log.warning(
        "the layers of earlier saves stay as they are container=%s: %s",
        desktop.container_id,
        why,
    )


class _Once:
    """Files, each counted once whatever names it has; CannotJoin when too many have several."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def file(self, change: Change) -> os.stat_result | None:
        """The status of a file that comes for the first time, None for all else."""
        found = change.stat
        if change.kind is not Kind.FILE or found is None:
            return None
        if found.st_nlink > 1:
            if found.st_ino in self._seen:
                return None
            self._seen.add(found.st_ino)
            if len(self._seen) > _MOST_LINKED:
                raise CannotJoin("too many files have several names")
        return found


def _no_room(depth: int, size: int) -> NoRoomToJoin:
    return NoRoomToJoin(
        f"The image that this desktop was started from has {depth} layers, so those of earlier "
        f"saves have to become one first, and there is no room for their {size:,} bytes. {SAFE} "
        "Nothing was saved. Delete versions that you no longer need, or ask an administrator for "
        "more room.",
        layers=depth,
        bytes=size,
    )


def _too_many(depth: int) -> TooManyLayers:
    return TooManyLayers(
        f"The image that this desktop was started from has {depth} layers, and a saved image may "
        f"have {MOST_LAYERS} at most. {SAFE} Nothing was saved. Set the desktop up again from the "
        "first image, or ask an administrator to have this one built anew from a Dockerfile.",
        layers=depth,
        most=MOST_LAYERS,
    )
