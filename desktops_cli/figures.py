"""Sizes, ages and text as people read them in a terminal (pure)."""

import unicodedata
from datetime import UTC, datetime

from desktops_cli.words import Translate


class Figures:
    """Writes numbers for a language, at a moment."""

    def __init__(
        self, _: Translate, language: str, now: datetime | None = None
    ) -> None:
        self._ = _
        self._mark = "," if language == "fr" else "."
        self._now = now or datetime.now(UTC)

    def size(self, number: int | None) -> str:
        """Return bytes in the units of disks: 1 800 000 000 is "1.8 GB"."""
        number = number or 0
        if number < 1000:
            return self._("{number} B", number=number)
        if number < 10**6:
            return self._("{number} kB", number=self._decimal(number / 10**3))
        if number < 10**9:
            return self._("{number} MB", number=self._decimal(number / 10**6))
        return self._("{number} GB", number=self._decimal(number / 10**9))

    def age(self, moment: str | None) -> str:
        """Return how long ago an ISO 8601 moment was."""
        if not moment:
            return ""
        seconds = (self._now - datetime.fromisoformat(moment)).total_seconds()
        if seconds < 60:
            return self._("just now")
        if seconds < 3600:
            return self._("{number} min ago", number=round(seconds / 60))
        if seconds < 86400:
            return self._("{number} h ago", number=round(seconds / 3600))
        return self._("{number} d ago", number=round(seconds / 86400))

    def _decimal(self, number: float) -> str:
        return f"{number:.1f}".replace(".", self._mark)


def printable(text: str) -> str:
    """Return text that a terminal only shows: other people's words may hold its commands."""
    return "".join(one if one.isprintable() else " " for one in text)


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese ones are two wide."""
    return sum(_columns(one) for one in text)


def cut(text: str, columns: int) -> str:
    """Return the text, or its beginning and … when it is wider."""
    if columns_of(text) <= columns:
        return text
    taken, room = "", columns - 1
    for one in text:
        room -= _columns(one)
        if room < 0:
            break
        taken += one
    return taken.rstrip() + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
