"""What can go wrong in the command, and the exit code that says so.

    CommandError           1  the job failed, or the service refused what was asked
    ├── UsageProblem       2  the command line or the settings are not right
    ├── NotAllowed         3  not logged in, or not allowed
    ├── Missing            4  no such image, version or job
    └── Unavailable        5  the service does not answer, or has a defect

Ctrl-C ends with 130, as shells have it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from desktops_cli.words import Translate

INTERRUPTED = 130


class CommandError(Exception):
    """An error that a person reads in one sentence.

    - `text` is English with named places, and is translated when it is shown
    - `said` is the service's own sentence, which comes in the person's language
    - no token is in any of them
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        code: str,
        text: str = "",
        *,
        said: str = "",
        details: Mapping[str, Any] | None = None,
        **values: object,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.said = said
        self.details = dict(details or {})
        self.values = values

    def message(self, _: Translate) -> str:
        """Return the sentence in the person's language."""
        return self.said or _(self.text, **self.values)

    def to_dict(self, _: Translate) -> dict[str, Any]:
        """Return what `--json` prints: the error shape of the API."""
        return {
            "error": {
                "code": self.code,
                "message": self.message(_),
                "details": self.details,
            }
        }


class UsageProblem(CommandError):
    """The command line or the settings are not right."""

    exit_code = 2


class NotAllowed(CommandError):
    """Not logged in, or not allowed."""

    exit_code = 3


class Missing(CommandError):
    """No such image, version or job."""

    exit_code = 4


class Unavailable(CommandError):
    """The service does not answer, or has a defect; trying again helps."""

    exit_code = 5
