"""JSON in and out, as both halves of the agent speak it."""

from __future__ import annotations

import json
from typing import Any

from tornado.web import RequestHandler

from snapshot_agent.errors import AgentError, BadRequest, InternalError


class JsonHandler(RequestHandler):
    """Every failure has the shape {"error": {"code", "message", "details"}}."""

    def set_default_headers(self) -> None:
        self.set_header("Server", "jupyterhub-desktops")

    def answer(self, status: int, content: dict[str, Any]) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(content))

    def body(self) -> Any:
        try:
            return json.loads(self.request.body)
        except (ValueError, RecursionError) as error:
            raise BadRequest("The request's body is not JSON.") from error

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        # An AgentError is an answer; anything else is logged once, in write_error.
        if not isinstance(value, AgentError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(error, AgentError):
            error = InternalError(
                self._reason or "The agent failed in a way not foreseen."
            )
            error.status = status_code
        self.answer(error.status, {"error": error.to_dict()})
