"""Where the files of a save lie in the spool: one half writes them, the other reads. Pure."""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import TypeVar

P = TypeVar("P", bound=PurePath)

PREFIX = "save-"


def folder_of(root: P, save_id: str) -> P:
    """The folder of one save."""
    name = hashlib.sha256(save_id.encode()).hexdigest()[:32]
    return root / f"{PREFIX}{name}"
