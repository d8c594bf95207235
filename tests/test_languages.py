"""The languages of the pages: which one a request gets, and how each of them counts."""

import pytest

from desktop_i18n import language_of, translator
from desktops_cli.words import plain


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr-CA,en;q=0.5", "fr"),
        ("en;q=0.4,fr;q=0.5", "fr"),
        ("fr;q=0.4,en;q=0.5", "en"),
        ("de", "en"),
        ("fr;q=much", "en"),
        ("", "en"),
    ],
)
def test_the_browser_decides_about_the_language(header: str, language: str) -> None:
    assert language_of(header) == language


@pytest.mark.parametrize(
    ("language", "count", "text"),
    [
        ("en", 0, "nothing known in 0 packages"),
        ("en", 1, "nothing known in 1 package"),
        ("en", 2, "nothing known in 2 packages"),
        ("fr", 0, "rien de connu dans 0 paquet"),
        ("fr", 1, "rien de connu dans 1 paquet"),
        ("fr", 2, "rien de connu dans 2 paquets"),
    ],
)
def test_each_language_has_its_own_plural(language: str, count: int, text: str) -> None:
    _ = translator("hub_service", language)
    one, many = "nothing known in {count} package", "nothing known in {count} packages"
    assert _.ngettext(one, many, count) == text


def test_a_sentence_without_a_translation_stays_english() -> None:
    _ = translator("hub_service", "fr")
    assert _("{who} sleeps.", who="{Alice}") == "{Alice} sleeps."
    assert _.ngettext("{count} sheep of {who}", "{count} sheep", 1, who="Bob") == (
        "1 sheep of Bob"
    )


def test_the_command_counts_without_a_catalogue() -> None:
    said = [plain.ngettext("{count} file", "{count} files", count) for count in (1, 2)]
    assert said == ["1 file", "2 files"]


@pytest.mark.parametrize(
    ("language", "text"), [("en", "1.8 GB · 0.5"), ("fr", "1,8 Go · 0,5")]
)
def test_numbers_have_the_languages_own_mark(language: str, text: str) -> None:
    _ = translator("hub_service", language)
    size = _("{number} GB", number=_.decimal(1.8))
    assert f"{size} · {_.decimal(0.5, 'g')}" == text
