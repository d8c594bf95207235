"""What an administrator decides about the reading of desktops."""

from __future__ import annotations

from dataclasses import dataclass

from snapshot_agent.exclusions import TABLE, Table


@dataclass(frozen=True)
class CaptureSettings:
    """The settings of that half, as its program was given them; see settings.py for each."""

    freeze: bool = True
    join_saves: bool = True
    freeze_budget: float = 0.1
    freeze_deadline: float = 10.0
    layer_bytes: int = 256 << 20
    zstd_level: int = 3
    zstd_threads: int = 0
    largest_file: int = 64 << 30
    home_defaults: str = "home_nbuser_default"
    table: Table = TABLE
