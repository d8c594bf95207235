"""The spawn page's form: cards of images, the kind of session, the size."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from desktop_i18n import Translate, translator
from desktop_spawner.catalogue_client import Answer
from desktop_spawner.profiles import Profile

FILTERS = ("mine", "shared", "published")


def render_form(
    profiles: list[Profile],
    *,
    answer: Answer,
    chosen: Mapping[str, Any],
    language: str,
    idle_hours: float,
) -> str:
    """Render the form's HTML in a language.

    - every text of a person (titles, descriptions, names) is escaped
    - `chosen` are the options of the last start, preselected where they still exist
    - an answer that is not fresh is said above the cards
    """
    _ = translator("desktop_spawner", language)
    kinds = {profile["desktop"]["kind"] for profile in profiles}
    html = (
        _environment()
        .get_template("form.html")
        .render(
            _=_,
            profiles=profiles,
            filters=[kind for kind in FILTERS if kind in kinds],
            selected=_selected(profiles, chosen.get("profile")),
            session=chosen.get("session", "use"),
            size=chosen.get("size"),
            sizes=_sizes(profiles),
            build=answer.build,
            stale=not answer.fresh,
            stale_since=age(answer.asked, _) if answer.asked else "",
            idle_hours=_.decimal(idle_hours, "g"),
            culled=idle_hours > 0,
            age=lambda stamp: age(stamp, _),
            bytes=lambda number: people_bytes(number, _),
            limits=lambda profile: limit_words(profile["desktop"]["limits"], _),
            words=_words(_),
            # On a card it is one desktop that is spoken of; the filter says it of many.
            kinds={**_words(_), "mine": _("my own")},
        )
    )
    return str(Markup(html))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("desktop_spawner", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _selected(profiles: list[Profile], chosen: str | None) -> str | None:
    """Return the slug that is chosen when the page opens: the last one, or the first there is."""
    slugs = [profile["slug"] for profile in profiles]
    return chosen if chosen in slugs else next(iter(slugs), None)


def _sizes(profiles: list[Profile]) -> list[tuple[str, str]]:
    """Return the sizes' slugs and titles; all profiles that leave a choice offer the same."""
    for profile in profiles:
        size = profile.get("profile_options", {}).get("size")
        if size:
            choices = size["choices"].items()
            return [(slug, choice["display_name"]) for slug, choice in choices]
    return []


def limit_words(limits: Mapping[str, Any], _: Translate) -> str:
    """Return what a desktop of an image may use, where an administrator decided it."""
    words = []
    if limits.get("cpu"):
        words.append(_("{number} CPU", number=_.decimal(limits["cpu"], "g")))
    if limits.get("memory"):
        words.append(_("{size} of memory", size=people_bytes(limits["memory"], _)))
    if limits.get("gpu"):
        words.append(_("{number} GPU", number=limits["gpu"]))
    return " · ".join(words)


def _words(_: Translate) -> dict[str, str]:
    return {
        "base": _("tested image"),
        "mine": _("mine"),
        "private": _("private"),
        "shared": _("shared"),
        "published": _("published"),
    }


def people_bytes(number: int, _: Translate) -> str:
    """Return a size in the units people use: 1 800 000 000 is "1.8 GB"."""
    if number >= 10**9:
        return _("{number} GB", number=_.decimal(number / 10**9))
    return _("{number} MB", number=max(1, round(number / 10**6)))


def age(stamp: float, _: Translate) -> str:
    """Return how long ago a moment (seconds since the epoch) was: "3 min ago"."""
    seconds = max(0.0, time.time() - stamp)
    if seconds < 60:
        return _("just now")
    if seconds < 3600:
        return _("{number} min ago", number=round(seconds / 60))
    if seconds < 86400:
        return _("{number} h ago", number=round(seconds / 3600))
    return _("{number} d ago", number=round(seconds / 86400))
