"""Which sentence a failure becomes: the one place where foreign errors turn into our own."""

from __future__ import annotations

import errno
import logging

from oci.errors import OciError, RegistryUnavailable
from snapshot_agent.errors import (
    SAFE,
    AgentError,
    Cancelled,
    DiskFull,
    InternalError,
    RegistryAway,
    RegistrySaysNo,
)

log = logging.getLogger(__name__)


def explained(error: BaseException, save_id: str) -> AgentError:
    """The end of a save that failed; what was not foreseen is logged with its trace."""
    if isinstance(error, BaseExceptionGroup):
        # Base layers are pushed side by side: the first failure is the one to tell.
        return explained(error.exceptions[0], save_id)
    if isinstance(error, AgentError):
        return error
    if isinstance(error, OciError):
        return _registry(error)
    if is_full(error):
        return disk_full()
    return not_foreseen(error, save_id, "the agent")


def is_full(error: BaseException) -> bool:
    """True when there is no room left on a disk, or what may be used of it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def not_foreseen(error: BaseException, save_id: str, what: str) -> InternalError:
    """What to say when nobody knows what happened; it is logged."""
    log.error("save failed save=%s", save_id, exc_info=error)
    return InternalError(
        f"Something in {what} failed that was not foreseen. {SAFE} Nothing was saved; try "
        "again, and tell an administrator if it fails again.",
        cause=type(error).__name__,
    )


def cancelled() -> Cancelled:
    return Cancelled(f"The save was cancelled. {SAFE} Nothing was saved.")


def broken_off() -> InternalError:
    """The end of a save that could not even say why it ends."""
    return InternalError(
        f"The save broke off in a way that was not foreseen. {SAFE} Nothing was saved; try again, "
        "and tell an administrator if it fails again."
    )


def disk_full(**details: int) -> DiskFull:
    return DiskFull(
        f"The node has not enough room to prepare the image. {SAFE} Nothing was saved; leave out "
        "large files, or ask an administrator for a larger spool.",
        **details,
    )


def _registry(error: OciError) -> AgentError:
    if isinstance(error, RegistryUnavailable):
        return RegistryAway(
            f"The image registry does not answer. {SAFE} Nothing was saved; try again in a few "
            "minutes, and tell an administrator if it lasts.",
            cause=str(error),
        )
    return RegistrySaysNo(
        f"The image registry refused the image. {SAFE} Nothing was saved; an administrator has "
        "to look at the registry's credentials and limits.",
        cause=str(error),
    )
