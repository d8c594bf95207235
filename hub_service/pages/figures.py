"""Sizes, ages and limits in the units people use (pure)."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from desktop_i18n import Translate


def people_bytes(number: int | None, _: Translate) -> str:
    """Return a size in the units people use: 1 800 000 000 is "1.8 GB"."""
    if not number:
        return _("{number} kB", number=0)
    if number >= 10**9:
        return _("{number} GB", number=_.decimal(number / 10**9))
    if number >= 10**6:
        return _("{number} MB", number=round(number / 10**6))
    return _("{number} kB", number=max(1, round(number / 1000)))


def age(moment: str | float | None, _: Translate) -> str:
    """Return how long ago a moment was: an ISO 8601 text, or seconds since the epoch."""
    if moment is None:
        return ""
    stamp = (
        datetime.fromisoformat(moment).timestamp()
        if isinstance(moment, str)
        else moment
    )
    seconds = max(0.0, time.time() - stamp)
    if seconds < 60:
        return _("just now")
    if seconds < 3600:
        return _("{number} min ago", number=round(seconds / 60))
    if seconds < 86400:
        return _("{number} h ago", number=round(seconds / 3600))
    return _("{number} d ago", number=round(seconds / 86400))


def limit_words(limits: Mapping[str, Any], _: Translate) -> list[str]:
    """Return what a desktop may use, as far as that is limited."""
    words = []
    if limits.get("cpu"):
        words.append(_("{number} CPU", number=_.decimal(limits["cpu"], "g")))
    if limits.get("memory"):
        words.append(_("{size} of memory", size=people_bytes(limits["memory"], _)))
    if limits.get("gpu"):
        words.append(_("{number} GPU", number=limits["gpu"]))
    return words
