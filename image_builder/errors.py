"""What can go wrong in a build."""

from typing import Any


class BuildError(Exception):
    """A build ends here; `code` says why, and hub_service has the words for it."""

    def __init__(self, code: str, text: str, **details: Any) -> None:
        super().__init__(text)
        self.code = code
        self.details = details
