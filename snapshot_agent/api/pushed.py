"""Where the layers of each desktop's last save are, for the next one to stand on. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from oci.reference import Digest

# As many as are kept on the other side, and some that end there unnoticed.
_MOST = 64


@dataclass(frozen=True)
class Pushed:
    """The layers of one desktop above its image, and the repository that has them."""

    digests: tuple[Digest, ...]
    repository: str


class PushedSaves:
    """The last save of each desktop that the registry holds; the oldest are forgotten."""

    def __init__(self) -> None:
        self._known: dict[str, Pushed] = {}

    def take(self, container_id: str) -> Pushed | None:
        """The last save, once: a save that fails leaves none."""
        return self._known.pop(container_id, None)

    def put(self, container_id: str, pushed: Pushed) -> None:
        self._known[container_id] = pushed
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
