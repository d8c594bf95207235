"""The languages of our pages: catalogues of one package and the choice of one for a request.

Catalogues are gettext .po files read as they are, so that no compiled file is
kept beside them. English is the language of the source: it has no catalogue.
"""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from io import BytesIO

from babel import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("en", "fr")
DECIMAL_MARKS = {"fr": ","}


class Translate:
    """Says the sentences of one package in one language; called `_` wherever it is used.

    A sentence without a translation stays English, so a page is never half empty; the tests
    find such a sentence.
    """

    def __init__(self, known: NullTranslations, mark: str = ".") -> None:
        """`mark` is between the whole of a number and its decimals."""
        self._known = known
        self._mark = mark

    def __call__(self, sentence: str, /, **values: object) -> str:
        """Translate a sentence and fill in its named values."""
        text = self._known.gettext(sentence)
        return text.format(**values) if values else text

    def ngettext(self, one: str, many: str, count: int, /, **values: object) -> str:
        """Translate a sentence about `count` things, which is filled in too.

        The language's own rule decides: French has its singular for nothing, English has not.
        """
        text = self._known.ngettext(one, many, count)
        return text.format(count=count, **values)

    def decimal(self, number: float, form: str = ".1f") -> str:
        """Write a number as the language does: 1.8, in French 1,8."""
        return f"{number:{form}}".replace(".", self._mark)


def language_of(accept_language: str) -> str:
    """Choose one of LANGUAGES for the value of an Accept-Language header.

    - the browser's order of preference decides, `q` values included
    - anything unknown, malformed or empty gives English
    """
    weighted = []
    for part in accept_language.split(","):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        weighted.append((-weight, tag.strip().replace("-", "_")))
    wanted = [
        tag for weight, tag in sorted(weighted, key=lambda pair: pair[0]) if weight
    ]
    spelled = [choice for tag in wanted for choice in (tag, tag.partition("_")[0])]
    return negotiate_locale(spelled, LANGUAGES) or "en"


@cache
def catalogue(package: str, language: str) -> NullTranslations:
    """Read the catalogue `locale/<language>.po` of a package; English has none."""
    if language == "en":
        return NullTranslations()
    file = resources.files(package).joinpath(f"locale/{language}.po")
    compiled = BytesIO()
    with file.open("rb") as stream:
        write_mo(compiled, read_po(stream, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


def translator(package: str, language: str) -> Translate:
    """Return what says a package's sentences in a language."""
    return Translate(catalogue(package, language), DECIMAL_MARKS.get(language, "."))
