"""What can be wrong with a desktop that was started."""

from typing import Any


class StartError(Exception):
    """The desktop did not come up; `code` says how far it came, hub_service has the words."""

    def __init__(self, code: str, text: str, **details: Any) -> None:
        super().__init__(text)
        self.code = code
        self.details = details
