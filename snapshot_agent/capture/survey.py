"""One look at everything a save would take: sizes, packages, what is left out. Reads no file."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from oci.packages import (
    DPKG_LIMIT,
    DPKG_STATUS,
    Versions,
    difference,
    dist_info,
    dpkg_versions,
)
from snapshot_agent.capture.container import Desktop, unsupported
from snapshot_agent.capture.ground import Ground
from snapshot_agent.exclusions import (
    EMPTIED,
    MOUNT,
    SECRET,
    Rules,
    printable,
    relative,
    volumes,
)
from snapshot_agent.tree.changes import Change, Kind, size_of
from snapshot_agent.tree.frame import TooManyNames
from snapshot_agent.tree.lower import LowerView
from snapshot_agent.tree.overlay import Strange

_BIGGEST = 10
# Enough to read, and few enough for a dialog.
_MOST_LEFT_OUT = 100
# So many are kept before the small ones are forgotten: a million files in /tmp are left out, too.
_MOST_KEPT = 10_000


class LeftOut:
    """Collects what is not taken: one line for each excluded path, with the bytes below it."""

    def __init__(self, mounts: Iterable[str] = ()) -> None:
        self._found: dict[tuple[str, str], int] = {}
        for mount in mounts:
            self(relative(mount), MOUNT, 0)

    def __call__(self, path: str, reason: str, size: int) -> None:
        self._found[path, reason] = self._found.get((path, reason), 0) + size
        if len(self._found) >= _MOST_KEPT:
            self._found = dict(self._ordered()[: _MOST_KEPT // 2])

    def copy(self) -> LeftOut:
        made = LeftOut()
        made._found = dict(self._found)
        return made

    def to_list(self) -> list[dict[str, Any]]:
        """The largest first, and secrets before everything: these a person asks about."""
        return [
            {"path": printable(path), "reason": reason, "bytes": size}
            for (path, reason), size in self._ordered()[:_MOST_LEFT_OUT]
        ]

    def _ordered(self) -> list[tuple[tuple[str, str], int]]:
        return sorted(
            self._found.items(),
            key=lambda one: (one[0][1] != SECRET, -one[1], one[0]),
        )


class Biggest:
    """The largest files seen."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def add(self, path: str, size: int) -> None:
        if size and (len(self._heap) < _BIGGEST or size > self._heap[0][0]):
            push = heapq.heappush if len(self._heap) < _BIGGEST else heapq.heappushpop
            push(self._heap, (size, path))

    def to_list(self) -> list[dict[str, Any]]:
        return [
            {"path": printable(path), "bytes": size}
            for size, path in sorted(self._heap)[::-1]
        ]


@dataclass
class Survey:
    """What was found."""

    bytes: int = 0
    # With holes as zeros, as they go through the compressor.
    apparent: int = 0
    entries: int = 0
    home_bytes: int = 0
    home_entries: int = 0
    packages: dict[str, Any] = field(default_factory=dict)
    biggest: Biggest = field(default_factory=Biggest)
    home_biggest: Biggest = field(default_factory=Biggest)
    left_out: LeftOut = field(default_factory=LeftOut)


def survey(desktop: Desktop, rules: Rules, check: Callable[[], None]) -> Survey:
    """Look at all of it once; UnsupportedContainer when a layer does not hold its own content.

    `check` is called for every entry and may raise to break off.
    """
    found = Survey(left_out=LeftOut(volumes(desktop.mounts)))
    before: Versions = {}
    after: Versions = {}
    try:
        with Ground(desktop, rules) as ground:
            for change in ground.walker(found.left_out).walk():
                check()
                _count(found, rules, change)
                _count_package(ground.below, change, before, after)
            _count_dpkg(desktop, ground.below, before, after)
    except (Strange, TooManyNames) as error:
        raise unsupported(error) from error
    found.packages = difference(before, after)
    return found


def _count(found: Survey, rules: Rules, change: Change) -> None:
    if change.path in EMPTIED:
        # Written by every start, and saved as an empty file.
        return
    found.entries += 1
    at_home = rules.home != "" and change.path.startswith(rules.home + "/")
    found.home_entries += at_home
    if change.kind is Kind.FILE and change.stat is not None:
        size = size_of(change.stat)
        found.bytes += size
        found.apparent += change.stat.st_size
        found.biggest.add(change.path, size)
        if at_home:
            found.home_bytes += size
            found.home_biggest.add(change.path, size)


def _count_package(
    lower: LowerView, change: Change, before: Versions, after: Versions
) -> None:
    if not change.path.endswith(".dist-info"):
        return
    named = dist_info(change.path)
    if named is None:
        return
    key, version = named
    if change.kind is Kind.WHITEOUT:
        before[key] = version
    elif change.kind is Kind.DIRECTORY:
        after[key] = version
        if lower.kind(change.path) is not None:
            # Touched, not new: the same version was in the image.
            before[key] = version


def _count_dpkg(
    desktop: Desktop, lower: LowerView, before: Versions, after: Versions
) -> None:
    with LowerView([desktop.upper]) as upper:
        now = upper.read(DPKG_STATUS, DPKG_LIMIT)
    if now is not None:
        before |= dpkg_versions(lower.read(DPKG_STATUS, DPKG_LIMIT) or b"")
        after |= dpkg_versions(now)
