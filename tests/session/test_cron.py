"""cron without root: which lines it takes, when it runs them, and what it says of the others."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from .test_start import BIN, LIB

pytest.importorskip("cronsim", reason="needs: pip install -e '.[test]'")


@pytest.fixture(scope="module")
def cron() -> Any:
    """The program of the image."""
    loader = SourceFileLoader("desktop_cron", str(LIB / "cron"))
    spec = spec_from_loader("desktop_cron", loader)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lines_are_read_as_crontab_has_them(cron: Any) -> None:
    text = '# a comment\n\nA="b c"\n*/5 * * * * echo $A\n@daily backup --all\n'
    jobs, wrong = cron.read(text)
    assert jobs == [
        ("*/5 * * * *", "echo $A", {"A": "b c"}),
        ("0 0 * * *", "backup --all", {"A": "b c"}),
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "line", ["61 * * * * x", "* * * *", "@never x", "every day x", "0 0 32 1 * x"]
)
def test_a_line_that_cannot_be_read_stops_no_other(cron: Any, line: str) -> None:
    jobs, wrong = cron.read(f"{line}\n0 7 * * 1-5 x\n")
    assert wrong == [line] and len(jobs) == 1


def test_a_job_runs_in_its_minute_and_in_no_other(cron: Any, tmp_path: Path) -> None:
    text = f"NAME=world\n30 7 * * 1 echo hello $NAME > {tmp_path}/said\n"
    running: list[subprocess.Popen[bytes]] = []
    cron.run_due(text, datetime(2026, 11, 23, 7, 29), running)
    cron.run_due(text, datetime(2026, 11, 24, 7, 30), running)
    assert running == []
    assert cron.run_due(text, datetime(2026, 11, 23, 7, 30), running) == []
    assert running[0].wait(10) == 0
    assert (tmp_path / "said").read_text() == "hello world\n"


def crontab(home: Path, *arguments: str, text: str = "") -> tuple[int, str, str]:
    """The command, with a cron that this machine can run."""
    lib = home / "lib"
    lib.mkdir(exist_ok=True)
    source = (
        (LIB / "cron").read_text().replace("/opt/jupyter/bin/python", sys.executable)
    )
    (lib / "cron").write_text(source)
    (lib / "cron").chmod(0o755)
    done = subprocess.run(
        [BIN / "crontab", *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "DESKTOP_LIB": str(lib)},
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_crontab_writes_shows_and_removes(tmp_path: Path) -> None:
    assert crontab(tmp_path, "-", text="@hourly date\n")[0] == 0
    assert crontab(tmp_path, "-l") == (0, "@hourly date\n", "")
    assert crontab(tmp_path, "-r")[0] == 0
    assert crontab(tmp_path, "-l")[0] == 1


def test_crontab_with_a_wrong_line_changes_nothing(tmp_path: Path) -> None:
    crontab(tmp_path, "-", text="@hourly date\n")
    code, _, words = crontab(tmp_path, "-", text="99 * * * * date\n")
    assert code == 1
    assert "nothing was changed" in words and "99 * * * * date" in words
    assert crontab(tmp_path, "-l")[1] == "@hourly date\n"
