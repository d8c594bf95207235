"""The spawn page's form."""

import time

import pytest

from desktop_i18n import translator
from desktop_spawner.catalogue_client import Answer
from desktop_spawner.form import age, render_form
from desktop_spawner.profiles import (
    Home,
    base_profiles,
    catalogue_profiles,
    session_option,
)
from tests.spawner.conftest import BASE, ENTRY


def form(answer: Answer, language: str = "en", **chosen: str) -> str:
    profiles = base_profiles([BASE]) + catalogue_profiles(answer.entries, "alice")
    options = {"session": session_option(Home("home", "/home/jovyan"))}
    profiles = [{**profile, "profile_options": options} for profile in profiles]
    return render_form(
        profiles, answer=answer, chosen=chosen, language=language, idle_hours=8
    )


def test_images_are_built_from_here_where_they_can_be() -> None:
    html = form(Answer([], 1.0, fresh=True, build="/services/desktops/build"))
    assert 'href="/services/desktops/build"' in html
    assert 'desktops-build"' not in form(Answer([], 1.0, fresh=True))


def test_a_card_shows_what_an_image_is() -> None:
    html = form(Answer([{**ENTRY, "created": time.time() - 7200}], 1.0, fresh=True))
    for words in ("version 3", "2.2 GB", "2 h ago", "Remote Desktop", "1.0 GB"):
        assert words in html


def test_a_card_of_ones_own_says_so_of_itself_alone() -> None:
    html = form(Answer([ENTRY], 1.0, fresh=True), "fr")
    facts = html.partition('class="desktops-facts">')[2]
    assert "à moi" in facts and "les miens" not in facts
    assert 'data-filter="mine" aria-pressed="false">les miens</button>' in html


def test_a_card_shows_the_desktop_as_it_was_seen() -> None:
    html = form(Answer([ENTRY, {**ENTRY, "picture": ""}], 1.0, fresh=True))
    link = "/services/desktops/picture?until=1&amp;signature=x"
    assert html.count(f'<img src="{link}" loading="lazy" alt="">') == 1
    assert "to try" not in html
    staged = {**ENTRY, "version": 4, "staged": True}
    html = form(Answer([staged], 1.0, fresh=True), profile="alice/gis@4")
    assert 'value="alice/gis@4" required checked' in html and "to try" in html


def test_the_text_of_people_stays_text() -> None:
    html = form(Answer([ENTRY], 1.0, fresh=True))
    assert "GIS &lt;course&gt;" in html
    assert "<course>" not in html
    assert "QGIS {{ 7 * 7 }}" in html and "49" not in html


def test_the_last_choice_is_remembered() -> None:
    html = form(
        Answer([ENTRY], 1.0, fresh=True), profile="alice/gis", session="customise"
    )
    assert 'value="alice/gis" required checked' in html
    assert 'id="session-customise" checked' in html
    # An image that is gone leaves the first card chosen.
    assert 'value="base" required checked' in form(
        Answer([], 1.0, True), profile="alice/gone"
    )


@pytest.mark.parametrize(
    ("seconds_ago", "words"),
    [(180, "as they were 3 min ago"), (None, "Only the tested images are shown")],
)
def test_a_catalogue_that_is_down_is_said(seconds_ago: int | None, words: str) -> None:
    asked = 0 if seconds_ago is None else time.time() - seconds_ago
    assert words in form(Answer([ENTRY] if asked else [], asked, fresh=False))
    assert 'id="desktops-stale"' not in form(Answer([ENTRY], 1.0, fresh=True))


def test_the_page_is_french_for_who_reads_french() -> None:
    html = form(Answer([ENTRY], 1.0, fresh=True), "fr")
    assert "Démarrer un bureau" in html and "2,2 Go" in html
    assert "pendant 8 h est arrêté" in html


def test_the_idle_time_is_told() -> None:
    assert "nobody uses for 8 h is stopped" in form(Answer([], 1.0, fresh=True))


def test_ages_are_in_the_units_people_use() -> None:
    _ = translator("desktop_spawner", "en")
    now = time.time()
    spans = {
        0: "just now",
        120: "2 min ago",
        7200: "2 h ago",
        172800: "2 d ago",
        -99: "just now",
    }
    assert {span: age(now - span, _) for span in spans} == spans
