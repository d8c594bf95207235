"""What the API server says about the pod of a session."""

from __future__ import annotations

from dataclasses import dataclass

from snapshot_agent.errors import Forbidden, ServerNotRunning
from snapshot_agent.wire import Place


@dataclass(frozen=True)
class Pod:
    """A session's pod on this node; `containers` are containerd's ids of those that run."""

    uid: str
    name: str
    namespace: str
    owner: str
    personal: bool
    """Its owner is a person, and what is saved of it is that person's."""
    containers: dict[str, str]

    def check_owner(self, owner: str, image_owner: str) -> None:
        """Forbidden when it is somebody else's, or would become somebody else's image."""
        if not self.owner or self.owner != owner:
            raise Forbidden("This server belongs to somebody else.")
        if self.personal and image_owner != owner:
            raise Forbidden("This server's image would be somebody else's.")

    def place(self, container: str) -> Place:
        """Where a container of it is; ServerNotRunning when it does not run."""
        container_id = self.containers.get(container)
        if container_id is None:
            raise ServerNotRunning(
                f"The server is not running: its pod has no running container {container!r}. "
                "Start the server, then save again.",
                pod=self.name,
            )
        return Place(self.uid, container, container_id)
