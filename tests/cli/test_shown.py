"""Tables, figures and progress as a terminal shows them."""

import io
from datetime import UTC, datetime

import pytest

from desktop_i18n import translator
from desktops_cli.figures import Figures, columns_of, cut, printable
from desktops_cli.progress import Progress
from desktops_cli.tables import table
from desktops_cli.words import locale_of, plain

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "english", "french"),
    [
        (None, "0 B", "0 o"),
        (999, "999 B", "999 o"),
        (1000, "1.0 kB", "1,0 ko"),
        (412_000_000, "412.0 MB", "412,0 Mo"),
        (1_840_000_000, "1.8 GB", "1,8 Go"),
    ],
)
def test_sizes(number: int | None, english: str, french: str) -> None:
    assert Figures(plain, "en").size(number) == english
    assert Figures(translator("desktops_cli", "fr"), "fr").size(number) == french


@pytest.mark.parametrize(
    ("moment", "age"),
    [
        (None, ""),
        ("2026-11-20T11:59:30+00:00", "just now"),
        ("2026-11-20T11:50:00.5Z", "10 min ago"),
        ("2026-11-20T13:00:00+05:00", "4 h ago"),
        ("2026-11-10T12:00:00Z", "10 d ago"),
    ],
)
def test_ages(moment: str | None, age: str) -> None:
    assert Figures(plain, "en", NOW).age(moment) == age


def test_a_text_takes_its_columns() -> None:
    assert [columns_of(text) for text in ("é", "e\u0301", "数据", "")] == [1, 1, 4, 0]
    assert [cut("数据科学", room) for room in (8, 7, 6, 5)] == [
        "数据科学",
        "数据科…",
        "数据…",
        "数据…",
    ]
    assert printable("a\x1b[2J\nb\u202ec") == "a [2J b c"


def test_columns_are_aligned_whatever_is_in_them() -> None:
    rows = [["数据", "1"], ["e\u0301t\x1be", "22"]]
    lines = table(["NAME", "N"], rows, width=None, stretchy=(0,)).splitlines()
    assert lines == ["NAME  N", "数据  1", "e\u0301t e  22"]


@pytest.mark.parametrize("width", [30, 40, 60])
def test_only_texts_are_cut_and_the_widest_first(width: int) -> None:
    rows = [["short", "a very long title " * 3, "some other words", "digest-0123"]]
    head = ["NAME", "TITLE", "NOTE", "ID"]
    lines = table(head, rows, width=width, stretchy=(1, 2)).splitlines()
    assert "digest-0123" in lines[1]
    narrowest = len("short") + 8 + 8 + len("digest-0123") + 6
    assert len(lines[1]) <= max(width, narrowest)
    assert table(head, rows, width=None, stretchy=(1, 2)).count("…") == 0


def test_plain_progress_says_a_step_once_and_then_now_and_then() -> None:
    stream, time = io.StringIO(), [100.0]
    figures = Figures(plain, "en")
    progress = Progress(stream, None, figures, plain, lambda: time[0])
    for second in range(25):
        time[0] += 1
        progress.show("Sending…", second * 10**6, 25 * 10**6)
    progress.show("Checking…")
    progress.close()
    assert stream.getvalue().splitlines() == [
        "Sending… 0 B of 25.0 MB",
        "Sending… 11.0 MB of 25.0 MB",
        "Sending… 22.0 MB of 25.0 MB",
        "Checking…",
    ]


def test_a_log_goes_above_the_line_of_a_terminal() -> None:
    stream = io.StringIO()
    progress = Progress(stream, 20, Figures(plain, "en"), plain)
    progress.show("Building something long…")
    progress.log("#1 one\n#2 tw")
    progress.log("o\n#3")
    progress.close()
    drawn = stream.getvalue().split("\r\x1b[K")
    line = "Building something…"
    assert drawn == ["", line, f"#1 one\n{line}", f"#2 two\n{line}", f"#3\n{line}", ""]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, ""),
        ({"LANG": "fr_CA.UTF-8"}, "fr_CA"),
        ({"LANG": "fr", "LC_ALL": "en_US.UTF-8"}, "en_US"),
        ({"LANG": "C", "LC_MESSAGES": "de_DE@euro"}, "de_DE"),
        ({"LANG": "fr", "LC_ALL": ""}, "fr"),
    ],
)
def test_the_language_is_gettexts(environ: dict[str, str], name: str) -> None:
    assert locale_of(environ) == name
