"""A place that is not prepared for the agent, and the folders that both halves need of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class NotReady(Exception):
    """The agent's place is not prepared; the message says what to change."""


def check_writable(folder: Path, name: str) -> None:
    """A folder that is written to, made when it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise NotReady(
            f"{folder} cannot be written to: mount a volume there, or set {name}"
        ) from error


def check_readable(folder: Path, name: str) -> None:
    """A folder that the other half writes to."""
    try:
        os.listdir(folder)
    except OSError as error:
        raise NotReady(
            f"{folder} cannot be read: mount the other half's volume there, or set {name}"
        ) from error
