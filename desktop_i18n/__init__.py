"""The languages of our pages: catalogues of one package and the choice of one for a request.

Catalogues are gettext .po files read as they are, so that no compiled file is
kept beside them. English is the language of the source: it has no catalogue.
"""

from collections.abc import Callable
from functools import cache
from importlib import resources

from babel import negotiate_locale
from babel.messages.pofile import read_po

LANGUAGES = ("en", "fr")

Translate = Callable[..., str]


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
def messages(package: str, language: str) -> dict[str, str]:
    """Read the catalogue `locale/<language>.po` of a package; English is empty."""
    if language == "en":
        return {}
    with resources.files(package).joinpath(f"locale/{language}.po").open(
        "rb"
    ) as stream:
        catalogue = read_po(stream, locale=language)
    return {
        str(entry.id): str(entry.string)
        for entry in catalogue
        if entry.id and entry.string
    }


def translator(package: str, language: str) -> Translate:
    """Return `_`: it translates a sentence of the package and fills in its named values.

    A sentence without a translation stays English, so a page is never half empty;
    the tests find such a sentence.
    """
    known = messages(package, language)

    def translate(sentence: str, **values: object) -> str:
        text = known.get(sentence, sentence)
        return text.format(**values) if values else text

    return translate
