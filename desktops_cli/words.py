"""The language of the person at the terminal."""

from collections.abc import Mapping
from typing import Protocol


class Translate(Protocol):
    """Says the command's sentences in one language."""

    def __call__(self, sentence: str, /, **values: object) -> str:
        """Say a sentence with its named values."""

    def ngettext(self, one: str, many: str, count: int, /, **values: object) -> str:
        """Say a sentence about `count` things."""


class English:
    """Says them as they are written."""

    def __call__(self, sentence: str, /, **values: object) -> str:
        """Fill in the named values."""
        return sentence.format(**values) if values else sentence

    def ngettext(self, one: str, many: str, count: int, /, **values: object) -> str:
        """Choose between the two, and fill in `count` and the other values."""
        return self(one if count == 1 else many, count=count, **values)


plain = English()


def sentence(text: str) -> str:
    """Mark a sentence for the catalogues where it is not translated yet."""
    return text


def locale_of(environ: Mapping[str, str]) -> str:
    """Return the language that the environment asks for, as gettext chooses it: `fr_CA`."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    wanted = next((environ[name] for name in names if environ.get(name)), "")
    return wanted.partition(".")[0].partition("@")[0]


def words_of(environ: Mapping[str, str]) -> tuple[str, Translate]:
    """Return the language of all that is said, and what says it.

    Without Babel, which reads the catalogues, everything is English: whoever installs the
    command alone gets two packages and no more.
    """
    try:
        from desktop_i18n import language_of, translator
    except ImportError:
        return "en", plain
    language = language_of(locale_of(environ))
    return language, translator("desktops_cli", language)
