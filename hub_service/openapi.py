"""The contract of the API, openapi.json, and what is checked against it."""

import json
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
