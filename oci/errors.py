"""Everything that can go wrong with a name or a registry.

OciError
├── InvalidName            also a ValueError: no valid repository or tag can be made of it
├── InvalidReference       also a ValueError: not an image reference or a digest
└── RegistryError
    ├── RegistryUnavailable   no answer in time, or 5xx and 429 after the last attempt
    ├── RegistryRefused       401 or 403: the credentials do not allow it
    ├── RegistryRejected      any other answer that the protocol does not foresee
    └── DigestMismatch        bytes that are not what their digest says

The cause from the HTTP library is always chained, and no message holds credentials.
"""

from __future__ import annotations


class OciError(Exception):
    """The root, to catch everything of this package."""


class InvalidName(OciError, ValueError):
    """A prefix, a number or a title that no valid name can be made of."""


class InvalidReference(OciError, ValueError):
    """A text that is not an image reference or not a digest."""


class RegistryError(OciError):
    """A conversation with a registry that failed."""

    def __init__(
        self, message: str, *, status: int | None = None, code: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def passing(self) -> bool:
        """True when the same request may well succeed a little later."""
        return False


class RegistryUnavailable(RegistryError):
    """The registry did not answer, or answered that it cannot at the moment."""

    @property
    def passing(self) -> bool:
        return True


class RegistryRefused(RegistryError):
    """The registry knows who asks, or does not, and says no."""


class RegistryRejected(RegistryError):
    """The registry answered something else than the protocol foresees for this request."""

    @property
    def passing(self) -> bool:
        # A lost upload session (404, 416) and a body damaged on the way (400) are
        # cured by sending the whole blob again in a new session.
        return self.status in (400, 404, 408, 416)


class DigestMismatch(RegistryError):
    """The bytes received are not the bytes that were asked for."""

    @property
    def passing(self) -> bool:
        return True
