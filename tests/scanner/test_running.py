"""How a program is run that reads what may be hostile."""

import os
from pathlib import Path

import pytest

from image_scanner.errors import ScanError
from image_scanner.running import run
from image_scanner.settings import Settings


def settings_of(work: Path, **fields: float) -> Settings:
    return Settings("", work=work, disk=1 << 20, seconds=fields.get("seconds", 20.0))


def test_it_has_its_own_variables_alone(tmp_path: Path) -> None:
    os.environ["SECRET_OF_SOMEBODY"] = "x"
    try:
        run(settings_of(tmp_path), ["env"], {"OWN": "1"}, tmp_path / "said")
    finally:
        del os.environ["SECRET_OF_SOMEBODY"]
    names = {line.split("=")[0] for line in (tmp_path / "said").read_text().split("\n")}
    assert "OWN" in names and "SECRET_OF_SOMEBODY" not in names


def test_it_ends_after_its_time_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"(sleep 2; touch {tmp_path}/later) & sleep 60"
    with pytest.raises(ScanError) as caught:
        run(settings_of(tmp_path, seconds=0.5), ["sh", "-c", script], {})
    assert caught.value.code == "time"
    os.system("sleep 2.5")
    assert not (tmp_path / "later").exists()


def test_what_it_said_last_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScanError) as caught:
        run(settings_of(tmp_path), ["sh", "-c", "echo because >&2; exit 3"], {})
    assert caught.value.code == "scanner_failed"
    assert caught.value.details == {"status": 3, "why": "because\n"}
