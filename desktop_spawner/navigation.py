"""The words of the bar on the hub's own pages, which know no language."""

from collections.abc import Callable

from markupsafe import Markup

from desktop_i18n import translator

Say = Callable[[str], Markup]


def words_for(user: object) -> Say:
    """Return `_` for JupyterHub's templates, whoever looks at them.

    JupyterHub tells a template who asks, and not in which language: both go along, and the page
    (templates/hub/page.html) shows the one that the browser prefers.
    """
    return in_both_languages


def in_both_languages(sentence: str) -> Markup:
    """Return the English words, with the French ones beside them."""
    french = translator("desktop_spawner", "fr")(sentence)
    return Markup('<span data-fr="{}">{}</span>').format(french, sentence)
