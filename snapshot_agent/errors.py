"""Everything that the agent says no with, or fails with.

AgentError                 has a code of the wire, an HTTP status and a sentence for a person
├── BadRequest             400  the request itself is wrong
├── Unauthenticated        401  no token, or one that the API server does not know
├── Forbidden              403  known, but not allowed
├── PodNotFound            404
├── CommitUnknown          404  an id that this agent does not remember
├── SaveInProgress         409  another save of the same desktop is under way
├── ServerNotRunning       422
├── UnsupportedContainer   422  found, but not something that can be saved exactly
├── SecretFound            422  the desktop's own keys are in files that cannot be left out
├── TooManyLayers          422  the image below would become deeper than nodes start
├── TooMuch                422  more bytes or files than an administrator lets one save have
├── TooManySaves           429
├── BaseUnknown            the image below the container cannot be identified
├── BaseUnavailable        a layer of it is nowhere to be had
├── RegistryAway           503
├── RegistrySaysNo         the registry refuses the push
├── DiskFull               the spool has no room
├── ContainerGone          the container ended during the save
├── Cancelled              somebody asked for the end
├── NodeError              502  containerd did not do what it was asked, with its reason
└── InternalError          500
    └── CaptureAway            the half of the agent that reads desktops is not there (any more)

Every message says what happened, what is safe, and what to do. No message holds a secret.
"""

from __future__ import annotations

from typing import Any

SAFE = "The desktop is unharmed."


class AgentError(Exception):
    """An end that may be told to the caller."""

    code = "internal_error"
    status = 500

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "details": self.details}


class BadRequest(AgentError):
    code, status = "bad_request", 400


class Unauthenticated(AgentError):
    code, status = "forbidden", 401


class Forbidden(AgentError):
    code, status = "forbidden", 403


class PodNotFound(AgentError):
    code, status = "pod_not_found", 404


class CommitUnknown(AgentError):
    code, status = "commit_unknown", 404


class SaveInProgress(AgentError):
    code, status = "save_in_progress", 409


class ServerNotRunning(AgentError):
    code, status = "server_not_running", 422


class UnsupportedContainer(AgentError):
    """`why` is a short code for programs, the message is for people."""

    code, status = "unsupported_container", 422

    def __init__(self, why: str, what: str) -> None:
        super().__init__(
            f"This desktop cannot be saved: {what}. {SAFE} "
            "Ask an administrator whether another kind of node or image can be used.",
            why=why,
        )


class SecretFound(AgentError):
    code, status = "secret_found", 422


class TooManyLayers(AgentError):
    code, status = "too_many_layers", 422


class NoRoomToJoin(AgentError):
    code, status = "no_room_to_join", 422


class TooMuch(AgentError):
    code, status = "too_much", 422


class TooManySaves(AgentError):
    code, status = "too_many_saves", 429


class BaseUnknown(AgentError):
    code, status = "base_unknown", 422


class BaseUnavailable(AgentError):
    code, status = "base_unavailable", 422


class RegistryAway(AgentError):
    code, status = "registry_unavailable", 503


class RegistrySaysNo(AgentError):
    code, status = "registry_refused", 422


class DiskFull(AgentError):
    code, status = "disk_full", 503


class ContainerGone(AgentError):
    code, status = "container_gone", 422


class Cancelled(AgentError):
    code, status = "cancelled", 409


class NodeError(AgentError):
    code, status = "node_error", 502


class InternalError(AgentError):
    pass


class CaptureAway(InternalError):
    def __init__(self, why: str = "") -> None:
        super().__init__(
            f"The part of the agent that reads desktops has started anew. {SAFE} Nothing was "
            "saved; try again in a minute, and tell an administrator if it lasts.",
            cause=why,
        )


def unknown_base(why: str) -> BaseUnknown:
    """What to say about an image that is not what it seems."""
    return BaseUnknown(
        f"The image that this desktop was started from cannot be identified: {why}. {SAFE} "
        "Restart the server from the image, then save again."
    )


def told(fields: dict[str, Any]) -> AgentError:
    """The error that another half of the agent has told; LookupError when it told none."""
    error = AgentError(str(fields["message"]), **dict(fields["details"]))
    error.code, error.status = str(fields["code"]), int(fields["status"])
    return error
