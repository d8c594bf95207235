"""What can keep an image from being scanned."""

from typing import Any


class ScanError(Exception):
    """There is no result; `code` says why, and hub_service has the words for it."""

    def __init__(self, code: str, text: str, **details: Any) -> None:
        super().__init__(text)
        self.code = code
        self.details = details
