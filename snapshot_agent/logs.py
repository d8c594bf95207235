"""What the agent logs, and how: one line of JSON for each event."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger(__name__)


class OneLine(logging.Formatter):
    """Every event as one line of JSON, its trace included."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "room": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            event["trace"] = self.formatException(record.exc_info)
        return json.dumps(event)


def log_one_line_each() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Its lines hold URLs with whatever registries write into them.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def log_request(handler: Any) -> None:
    """Only what went wrong: progress is asked for every second."""
    status = handler.get_status()
    if status >= 500:
        log.warning(
            "answered status=%d %s %s",
            status,
            handler.request.method,
            handler.request.path,
        )
