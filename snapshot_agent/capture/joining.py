"""Whether a save joins the layers of earlier saves below it with its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from snapshot_agent.capture.container import Desktop
from snapshot_agent.capture.survey import Survey, survey
from snapshot_agent.errors import SAFE, TooManyLayers
from snapshot_agent.exclusions import Rules, relative, volumes
from snapshot_agent.image_spec import saved_layers
from snapshot_agent.tree.changes import Kind, Walker, size_of
from snapshot_agent.tree.lower import LowerView

# Saves on top of one another, before all of them become one; each has several layers at most.
MOST_SAVES = 8
# So much of what earlier saves have written is replaced by now, or deleted.
DEAD_SHARE = 0.3

# What was read while the desktop ran, and what changed until it stood still.
LAYERS_OF_A_SAVE = 24
# Docker starts nothing above 125 layers, and containerd is tested with 128: room for builds on top.
MOST_LAYERS = 100


class Joining:
    """Decides it, for one desktop.

    - layers that were there before the first save are never among them;
    - not when a part of the image is left out of this save, or is covered by a volume: what
      earlier saves have of it would be lost;
    - TooManyLayers when the image has more than one that is started may have, and joining does
      not help.
    """

    def __init__(
        self,
        desktop: Desktop,
        config: dict[str, Any],
        rules: Rules,
        check: Callable[[], None],
        allowed: bool = True,
    ) -> None:
        """`config` is the image's; `check` raises to break off.

        Unless it is `allowed`, nothing is joined.
        """
        self._desktop = desktop
        self._rules = rules
        self._check = check
        self._layers, self._saves = saved_layers(config) if allowed else (0, 0)

    def decide(self, found: Survey) -> tuple[int, Survey]:
        """How many layers are joined, and what the save reads then; `found` without them."""
        layers = self._possible()
        depth = len(self._desktop.lowers)
        full = depth + LAYERS_OF_A_SAVE > MOST_LAYERS
        if layers:
            whole = survey(self._desktop, self._rules, self._check, layers)
            if full or self._saves > MOST_SAVES or self._dead(found, whole, layers):
                depth, found = depth - layers, whole
            else:
                layers = 0
        if depth + LAYERS_OF_A_SAVE > MOST_LAYERS:
            raise _too_many(depth)
        return layers, found

    def _possible(self) -> int:
        layers = self._layers if self._layers < len(self._desktop.lowers) else 0
        return 0 if not self._rules.whole or self._covered(layers) else layers

    def _covered(self, layers: int) -> bool:
        """True when a volume lies over something of these layers."""
        for path in self._desktop.lowers[:layers]:
            with LowerView([path]) as layer:
                for volume in map(relative, volumes(self._desktop.mounts)):
                    if layer.entry(volume) is not None and not layer.empty(volume):
                        return True
        return False

    def _dead(self, found: Survey, whole: Survey, layers: int) -> bool:
        written = sum(self._bytes(path) for path in self._desktop.lowers[:layers])
        return whole.bytes - found.bytes < (1 - DEAD_SHARE) * written

    def _bytes(self, layer: str) -> int:
        everything = Rules(home="", mounts=(), asked=(), include_home=True, table=())
        total = 0
        with LowerView([]) as nothing:
            walker = Walker([layer], nothing, everything, lambda *_: None)
            for change in walker.walk():
                self._check()
                if change.kind is Kind.FILE and change.stat is not None:
                    total += size_of(change.stat)
        return total


def _too_many(depth: int) -> TooManyLayers:
    return TooManyLayers(
        f"The image that this desktop was started from has {depth} layers, and a saved image may "
        f"have {MOST_LAYERS} at most. {SAFE} Nothing was saved. Set the desktop up again from the "
        "first image, or ask an administrator to have this one built anew from a Dockerfile.",
        layers=depth,
        most=MOST_LAYERS,
    )
