"""Renders the pages' templates."""

import time
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from desktop_i18n import Translate


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("hub_service", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, *, _: Translate, xsrf: str, **values: Any) -> str:
    """Render a page; all text of people is escaped."""
    field = Markup('<input type="hidden" name="_xsrf" value="{}">').format(xsrf)
    page = _environment().get_template(template)
    return page.render(
        _=_,
        bytes=lambda number: people_bytes(number, _),
        age=lambda moment: age(moment, _),
        xsrf=xsrf,
        xsrf_field=lambda: field,
        **values,
    )


def people_bytes(number: int | None, _: Translate) -> str:
    """Return a size in the units people use: 1 800 000 000 is "1.8 GB"."""
    if not number:
        return _("{number} kB", number=0)
    if number >= 10**9:
        return _("{number} GB", number=f"{number / 10**9:.1f}")
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
