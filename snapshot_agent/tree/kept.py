"""What the agent keeps of a desktop's last save, so that the next one takes only what changed."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from oci.reference import Digest
from snapshot_agent.tree.index import Index
from snapshot_agent.tree.joined import Gone
from snapshot_agent.tree.spool import Blob, Spool

log = logging.getLogger(__name__)

# On top of those of a save that took everything; the next such save takes their place.
MOST_LAYERS = 8
_MOST_SESSIONS = 16
# Of the index of one desktop: some million entries.
_MOST_BYTES = 128 << 20
_MOST_DIRECTORIES = 200_000
# So much of the layers is content that later layers replace, or that is gone.
_DEAD_SHARE = 0.3


@dataclass(frozen=True)
class KeptLayer:
    """A layer that an earlier save has pushed."""

    diff_id: Digest
    digest: Digest
    size: int
    content_bytes: int

    @staticmethod
    def of(blob: Blob, content_bytes: int) -> KeptLayer:
        return KeptLayer(blob.diff_id, blob.digest, blob.size, content_bytes)


class IndexFile:
    """An index on the node's disk without a name: it is gone with the agent, whatever happens."""

    def __init__(self, beside: Spool) -> None:
        """`beside` is the folder of a save; the index outlives it."""
        self._spool = beside.twin()
        self._file = io.BufferedRandom(self._spool.open("index"))
        self._spool.hide("index")
        self.index = Index(self._file)

    def close(self) -> None:
        self._file.close()
        self._spool.forget()


@dataclass
class Kept:
    """The state of a desktop at the end of a save: its index, and the layers that make it up."""

    container_id: str
    # Whatever decides what a save takes: with other choices the index says nothing.
    choices: object
    file: IndexFile
    layers: list[KeptLayer]
    # What was left out for what is in it, with the reason and the bytes.
    refused: dict[str, tuple[str, int]]
    # How many of the layers are of the save that took everything.
    whole: int
    # What these layers have nothing of, though the image that the desktop stands on has.
    gone: Gone = field(default_factory=Gone)
    # Where these layers have deleted again what was deleted in the home.
    deleted_again: Gone = field(default_factory=Gone)
    # How many bytes of these layers are what the layers of earlier saves have become.
    joined_bytes: int = 0
    # What was decided for them, and holds for the next save as well.
    plan: object = None

    @property
    def paths(self) -> int:
        """How many of them are remembered, besides the index."""
        return len(self.gone) + len(self.deleted_again)

    def wasteful(self, live: int) -> bool:
        """True when too many were added, or too much of all is dead; `live` bytes are not."""
        total = sum(layer.content_bytes for layer in self.layers)
        added = len(self.layers) - self.whole
        return added >= MOST_LAYERS or total * (1 - _DEAD_SHARE) > live

    def close(self) -> None:
        self.file.close()


class KeptSaves:
    """At most one for each desktop, and few in all; the oldest go first.

    - what is kept is used only by a save that names its layers, all of them: who pushes does so
      when they are in the registry; and only once, so that after a failure the next is whole;
    - it may be used from several threads.
    """

    def __init__(self, most: int = _MOST_SESSIONS) -> None:
        self._most = most
        self._kept: dict[str, Kept] = {}
        self._lock = threading.Lock()

    def take(
        self,
        container_id: str,
        choices: object,
        layers: Sequence[Digest],
        live: int,
    ) -> Kept | None:
        """What a save with these choices can stand on, on these layers; `live` bytes are there."""
        kept = self._pop(container_id)
        if kept is None:
            return None
        known = [layer.digest for layer in kept.layers]
        if (
            kept.choices == choices
            and known == list(layers)
            and not kept.wasteful(live)
        ):
            return kept
        kept.close()
        return None

    def plan(self, container_id: str) -> object:
        """What was decided for the last save of a desktop; None when none is kept."""
        with self._lock:
            kept = self._kept.get(container_id)
            return None if kept is None else kept.plan

    def put(self, kept: Kept) -> None:
        """Keep it, unless it is too large."""
        index = kept.file.index
        most = max(index.directories, kept.paths)
        if index.size > _MOST_BYTES or most > _MOST_DIRECTORIES:
            return kept.close()
        with self._lock:
            old = [self._kept.pop(kept.container_id, None)]
            self._kept[kept.container_id] = kept
            while (
                len(self._kept) > self._most or self._directories() > _MOST_DIRECTORIES
            ):
                old.append(self._kept.pop(next(iter(self._kept))))
        for one in old:
            if one is not None:
                one.close()

    def drop(self, gone: Callable[[str], bool]) -> None:
        """Forget the desktops of which `gone` says that they are no more."""
        with self._lock:
            known = list(self._kept)
        for container_id in known:
            if gone(container_id):
                kept = self._pop(container_id)
                if kept is not None:
                    kept.close()

    def close(self) -> None:
        self.drop(lambda container_id: True)

    def _directories(self) -> int:
        """Each of them is in memory, some 300 bytes; a path that is gone is less."""
        return sum(
            one.file.index.directories + one.paths for one in self._kept.values()
        )

    def _pop(self, container_id: str) -> Kept | None:
        with self._lock:
            return self._kept.pop(container_id, None)
