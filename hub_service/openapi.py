"""The contract of the API, openapi.json, and what is checked against it."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from hub_service.errors import BadRequest, sentence


class Contract:
    """Checks requests against openapi.json, the one place where the wire is described."""

    def __init__(self) -> None:
        text = resources.files("hub_service").joinpath("openapi.json").read_text()
        self.document: dict[str, Any] = json.loads(text)

    def schema(self, name: str) -> dict[str, Any]:
        """Return a component's schema that can stand alone."""
        return {
            "$ref": f"#/components/schemas/{name}",
            "components": self.document["components"],
        }

    def check(self, name: str, body: object) -> None:
        """Raise BadRequest, naming the place, unless the body fits the component's schema."""
        if not all(_is_text(one) for one in _texts(body)):
            raise BadRequest(
                "invalid_request",
                sentence("The request is not understood at {place}: {why}."),
                place="body",
                why="a text holds a character that cannot be kept",
            )
        errors = Draft202012Validator(self.schema(name)).iter_errors(body)
        error = next(iter(errors), None)
        if error is not None:
            place = "/".join(str(step) for step in error.absolute_path) or "body"
            raise BadRequest(
                "invalid_request",
                sentence("The request is not understood at {place}: {why}."),
                place=place,
                why=error.message[:300],
            )


def _texts(body: object) -> Iterator[str]:
    """Give every text in a body, the names of fields too."""
    left = [body]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one


def _is_text(text: str) -> bool:
    """Say whether every database takes it: PostgreSQL knows no NUL, UTF-8 no half of a pair."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)
