"""What the reading of a desktop ends with."""

from __future__ import annotations

from dataclasses import dataclass, field

from snapshot_agent.capture.survey import LeftOut
from snapshot_agent.tree.kept import Kept, KeptLayer
from snapshot_agent.tree.spool import Blob


@dataclass(frozen=True)
class Captured:
    """What a desktop has given."""

    earlier: list[KeptLayer]
    """The layers of earlier saves that are still part of it, the lowest first."""
    blobs: list[Blob]
    """New layers on top of these, the lowest first; none when nothing has changed."""
    left_out: LeftOut
    content_bytes: int
    """Of all these layers."""
    frozen: float
    """Seconds from the pause to the thaw, nothing before or after."""
    joined: int
    """So many of the image's uppermost layers are in these layers too."""
    kept: Kept
    """For the next save, which names the layers if they are in the registry."""
    changed_while_saved: list[str] = field(default_factory=list)

    @property
    def layers(self) -> list[KeptLayer | Blob]:
        """All of them, the lowest first."""
        return [*self.earlier, *self.blobs]
