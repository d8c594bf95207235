"""The language of the person at the terminal."""

from collections.abc import Callable, Mapping

Translate = Callable[..., str]


def sentence(text: str) -> str:
    """Mark a sentence for the catalogues where it is not translated yet."""
    return text


def plain(text: str, **values: object) -> str:
    """Say it in English."""
    return text.format(**values) if values else text


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
