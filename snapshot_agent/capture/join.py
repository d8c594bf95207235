"""Writes the layers of earlier saves as one, before the desktop's own changes are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.container import Desktop
from snapshot_agent.capture.ground import joined_layers
from snapshot_agent.capture.joining import CANNOT, Plan, tell_unjoined
from snapshot_agent.capture.layers import Blobs, LayerWriters
from snapshot_agent.exclusions import Rules
from snapshot_agent.failures import is_full
from snapshot_agent.status import Step
from snapshot_agent.tree.changes import Change, LeaveOut
from snapshot_agent.tree.joined import CannotJoin, Gone
from snapshot_agent.tree.layer import SecretInStream, TarWriter
from snapshot_agent.tree.spool import Blob, Spool

# They are in the image already.
_ANY_SIZE = 1 << 62

# All files of a home have a second name, so these layers may be large.
_MOST_LINKED_LAYERS = 2

# Each one is a file of its own with a secret deep inside: so many are no accident.
_MOST_RESTARTS = 5


@dataclass(frozen=True)
class Joined:
    """What the layers of earlier saves have become."""

    blobs: Blobs = field(default_factory=list)
    gone: Gone = field(default_factory=Gone)
    # What was left out for what is in it, with the reason and the bytes.
    refused: dict[str, tuple[str, int]] = field(default_factory=dict)
    bytes: int = 0


class Join:
    """One desktop's earlier saves, as one layer, or a few if they are large.

    - what is in them stays, whatever today's rules say, and however large it is; only what has
      one of the pod's own secrets in it is left out, and told;
    - it gives up rather than lose anything, or break off a save that needs none of this.
    """

    def __init__(
        self,
        desktop: Desktop,
        plan: Plan,
        rules: Rules,
        settings: CaptureSettings,
        canaries: tuple[bytes, ...],
        check: Callable[[], None],
        written: Callable[[Blob], None],
    ) -> None:
        self._desktop = desktop
        self._plan = plan
        self._rules = rules
        self._settings = settings
        self._canaries = canaries
        self._check = check
        self._written = written

    def run(
        self, spool: Spool, step: Step, bare: set[tuple[int, int]]
    ) -> Joined | None:
        """Write it; None when it cannot be done.

        The desktop's own files that are left out, for a secret in them mostly, are in `bare`.
        """
        denied: set[tuple[int, int]] = set()
        for _ in range(_MOST_RESTARTS):
            try:
                return self._once(spool, step, bare, denied)
            except SecretInStream as found:
                denied.add(found.identity)
            except CANNOT as error:
                if self._plan.needed and is_full(error):
                    # Another node, or a larger spool, may have room for it.
                    raise
                tell_unjoined(self._desktop, repr(error))
                return None
        return None

    def _once(
        self,
        spool: Spool,
        step: Step,
        bare: set[tuple[int, int]],
        denied: set[tuple[int, int]],
    ) -> Joined:
        refused: dict[str, tuple[str, int]] = {}

        def leave_out(path: str, reason: str, size: int) -> None:
            refused[path] = reason, size

        def take(writer: TarWriter, change: Change) -> None:
            self._check()
            writer.add(change)
            if not change.taken and change.path not in refused:
                raise CannotJoin(change.path)

        writers = self._writers(spool, step, denied, leave_out)
        plan, settings = self._plan, self._settings
        opened = joined_layers(self._desktop, plan.layers, self._rules, settings, bare)
        try:
            with opened as layers:
                linked = (
                    _MOST_LINKED_LAYERS if plan.apparent > settings.layer_bytes else 1
                )
                expected, walk = plan.apparent, layers.walk()
                blobs = writers.write(walk, take, "joined", expected, linked)
                size = sum(count for _, count in blobs)
                return Joined(blobs, layers.gone, refused, size)
        except BaseException:
            writers.drop()
            raise

    def _writers(
        self,
        spool: Spool,
        step: Step,
        denied: set[tuple[int, int]],
        leave_out: LeaveOut,
    ) -> LayerWriters:
        def progress(count: int) -> None:
            self._check()
            step.add(count)

        return LayerWriters(
            spool,
            replace(self._settings, largest_file=_ANY_SIZE),
            canaries=self._canaries,
            denied=denied,
            leave_out=leave_out,
            progress=progress,
            written=self._written,
            live=False,
        )
