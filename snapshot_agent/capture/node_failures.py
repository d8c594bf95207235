"""Which sentence a failure on the node becomes."""

from __future__ import annotations

import os

from snapshot_agent.capture.container import unsupported
from snapshot_agent.capture.containerd import ContainerdError, NotFound
from snapshot_agent.errors import AgentError, ContainerGone
from snapshot_agent.failures import explained, not_foreseen
from snapshot_agent.tree.frame import TooManyNames
from snapshot_agent.tree.overlay import Strange


def explained_on_node(error: BaseException, save_id: str, upper: str) -> AgentError:
    """The end of a capture that failed; `upper` is where the desktop's changes were."""
    if isinstance(error, AgentError):
        return error
    if isinstance(error, Strange | TooManyNames):
        return unsupported(error)
    if isinstance(error, NotFound) or (upper and not os.path.isdir(upper)):
        return ContainerGone(
            "The server ended while it was being saved, so nothing was saved. Earlier versions "
            "are untouched. Start the server and save again."
        )
    if isinstance(error, ContainerdError):
        return not_foreseen(error, save_id, "containerd")
    return explained(error, save_id)
