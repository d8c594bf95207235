"""What can go wrong in hub_service.

    PublicError            a person may see it: a code, an English sentence, its values
    ├── BadRequest         the request is not understood or not possible as it is
    ├── Unauthenticated    nobody vouches for who asks
    ├── Forbidden          known, but not allowed
    ├── NotFound           unknown, or not to be seen by this person
    ├── Conflict           not possible now, in the state things are in
    ├── Unavailable        a part that is needed does not answer; trying again helps
    └── AgentError         what an agent answered: its code, and its own sentence in English

Everything else that is raised is a defect: it is logged, and the person reads a
sentence without its text.
"""

from typing import Any


def sentence(text: str) -> str:
    """Mark a sentence for the catalogues of translations where it is not translated yet."""
    return text


class PublicError(Exception):
    """An error that a person may see.

    - `code` names it for programs and for the translation, and never changes
    - `text` is an English sentence with named places, filled from `values`
    - `details` are for the fold "Details" and for programs, never a secret
    """

    def __init__(
        self,
        code: str,
        text: str,
        *,
        details: dict[str, Any] | None = None,
        **values: object
    ) -> None:
        super().__init__(text.format(**values) if values else text)
        self.code = code
        self.text = text
        self.values = values
        self.details = details or {}

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept with a job: enough to say it later in any language."""
        return {
            "code": self.code,
            "text": self.text,
            "values": {name: str(value) for name, value in self.values.items()},
            "details": self.details,
        }


class BadRequest(PublicError):
    """The request is not understood or not possible as it is."""


class Unauthenticated(PublicError):
    """Nobody vouches for who asks."""


class Forbidden(PublicError):
    """Known, but not allowed."""


class NotFound(PublicError):
    """Unknown, or not to be seen by this person."""


class Conflict(PublicError):
    """Not possible now, in the state things are in."""


class AgentError(PublicError):
    """What an agent answered; pages/views.py has the words for its codes."""

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept, marked as an agent's."""
        return {**super().to_dict(), "agent": True}


def own_defect() -> PublicError:
    """Return what administrators see of an error of ours."""
    return PublicError(
        "internal_error",
        sentence(
            "Something went wrong on our side. What is saved is safe. Look at the log of "
            "hub_service."
        ),
    )


class Unavailable(PublicError):
    """A part that is needed does not answer; trying again helps."""
