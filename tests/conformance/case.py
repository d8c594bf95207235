"""One thing that a save must bring back: an image, what a session does, what comes late."""

from __future__ import annotations

from dataclasses import dataclass

from .steps import Step

Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Case:
    """One case; `late` happens after the first pass has looked."""

    name: str
    source: str
    layers: tuple[Steps, ...]
    session: Steps
    late: Steps = ()


NESTED: Steps = (
    ("file", "a/b/c/d/file", "deep"),
    ("file", "a/b/other", "other"),
    ("file", "a/top", "top"),
)
