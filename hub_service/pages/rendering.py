"""Renders the pages' templates."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from desktop_i18n import Translate
from hub_service.pages.figures import age, limit_words, people_bytes


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
        ngettext=_.ngettext,
        bytes=lambda number: people_bytes(number, _),
        age=lambda moment: age(moment, _),
        limit_words=lambda limits: limit_words(limits, _),
        xsrf=xsrf,
        xsrf_field=lambda: field,
        **values,
    )
