"""Every sentence of the desktop page and of JupyterLab's button is there in both languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "labextension"
LANGUAGES = ["en", "fr"]
# Keys that are put together while the page runs, from words of the wire.
MADE = re.compile(r"(error|reason|step|scaling|quality)_\w+")


def catalogue(language: str) -> dict[str, str]:
    words: dict[str, str] = json.loads((ROOM / f"locale/{language}.json").read_text())
    return words


def source() -> str:
    """The code of both without its comments."""
    files = [*ROOM.glob("src/**/*.ts"), *ROOM.glob("desktop_page/src/*.ts")]
    code = "\n".join(path.read_text() for path in sorted(files))
    return re.sub(r"^\s*//.*$", "", code, flags=re.MULTILINE)


def used_keys() -> set[str]:
    code = source()
    keys = set(re.findall(r'\bt\(\s*"(\w+)"', code))
    for key in re.findall(r'\btn\(\s*"(\w+)"', code):
        keys |= {f"{key}_one", f"{key}_other"}
    return keys


def test_the_catalogues_have_the_same_keys() -> None:
    assert set(catalogue("en")) == set(catalogue("fr"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_that_is_used_has_words_and_none_is_left_over(language: str) -> None:
    words = catalogue(language)
    assert used_keys() - set(words) == set()
    unused = {key for key in set(words) - used_keys() if not MADE.fullmatch(key)}
    # A key that stands in a choice (`a ? "x" : "y"`) is found as a plain string.
    assert {key for key in unused if f'"{key}"' not in source()} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_wire_has_its_own(language: str) -> None:
    words = catalogue(language)
    reasons = ["runtime", "cache", "secret", "asked", "home", "special"]
    steps = ["plan", "read", "freeze", "push", "manifest", "verify"]
    own = [
        "service_unavailable",
        "cannot_save",
        "internal_error",
        "network",
        "signed_out",
    ]
    wanted = [f"reason_{name}" for name in reasons] + [f"step_{name}" for name in steps]
    wanted += [f"error_{name}" for name in own]
    assert [key for key in wanted if not words.get(key)] == []


def test_the_placeholders_are_the_same_and_nothing_is_empty() -> None:
    english, french = catalogue("en"), catalogue("fr")
    for key, text in english.items():
        assert text.strip() and french[key].strip()
        assert set(re.findall(r"{\w+}", text)) == set(
            re.findall(r"{\w+}", french[key])
        ), key


def test_french_has_one_kind_of_apostrophe() -> None:
    assert [
        text for text in catalogue("fr").values() if re.search(r"\w'\w", text)
    ] == []


def test_few_words_are_the_same_in_both() -> None:
    english, french = catalogue("en"), catalogue("fr")
    same = {key for key in english if english[key] == french[key]}
    assert same <= {"rate"}


def test_no_sentence_is_written_in_the_code() -> None:
    # Two words or more between quotes, beginning with a capital: a sentence for people.
    found = re.findall(r'"([A-Z][a-z]+ [a-z][^"]*)"', source())
    assert found == []


def test_jupyterlab_finds_the_french_words_with_their_keys() -> None:
    # The server hands these out with a language pack; without one JupyterLab has no French.
    server = pytest.importorskip(
        "jupyterlab_server.translation_utils",
        reason="needs JupyterLab: pip install -e '.[test]'",
    )
    if not (ROOM / "jupyter_desktop_save/locale").exists():
        pytest.skip(
            "needs the built extension: cd labextension && npm ci && npm run build"
        )
    found, _ = server.get_installed_packages_locale("fr_FR")
    words = found["jupyter_desktop_save"]
    assert words.pop("")["language"] == "fr-FR"
    english, french = catalogue("en"), catalogue("fr")
    assert words == {f"{key}\4{english[key]}": [french[key]] for key in english}
