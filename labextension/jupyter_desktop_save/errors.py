"""What a person may be told when a request of the page cannot be answered.

ServiceError
    ServiceUnavailable    the image service could not be reached, or did not answer in time
    CannotSave            this desktop does not run under a hub that saves
    BadRequest            the page sent something that is no request
"""

from typing import Any


class ServiceError(Exception):
    """An answer that is not a success, in the one shape of all errors of the project."""

    status = 500
    code = "internal_error"
    message = "Something went wrong. Your desktop is unharmed and nothing was lost."

    def __init__(
        self,
        *,
        status: int | None = None,
        code: str | None = None,
        message: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        self.status = status or self.status
        self.code = code or self.code
        self.message = message or self.message
        self.details = details or {}
        super().__init__(f"{self.status} {self.code}: {self.message}")

    def to_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "details": self.details,
            }
        }


class ServiceUnavailable(ServiceError):
    """The image service could not be reached, or did not answer in time."""

    status = 503
    code = "service_unavailable"
    message = (
        "The image service did not answer. Your desktop is unharmed and nothing was lost. "
        "Try again in a minute."
    )


class CannotSave(ServiceError):
    """This desktop does not run under a hub that saves."""

    status = 409
    code = "cannot_save"
    message = (
        "This desktop was not started by a hub that saves desktops, so there is nowhere to "
        "save it to. It works as usual otherwise."
    )


class BadRequest(ServiceError):
    """The page sent something that is no request."""

    status = 400
    code = "bad_request"
    message = "The request could not be read. Nothing was changed. Load the page again."
