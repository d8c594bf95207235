"""The registry's htpasswd file."""

import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest

from hub_service.htpasswd import line

PASSWORD = "a-long-and-random-one-4f1e2d3c4b5a"


def test_the_line_is_the_users_and_the_passwords() -> None:
    user, _, hashed = line("desktops", PASSWORD).strip().partition(":")
    assert user == "desktops"
    assert bcrypt.checkpw(PASSWORD.encode(), hashed.encode())
    assert not bcrypt.checkpw(b"another", hashed.encode())
    assert hashed.split("$")[2] == "04"


def test_a_short_password_is_not_hashed_cheaply() -> None:
    with pytest.raises(ValueError, match="fewer than 24"):
        line("desktops", "short")


def test_the_program_writes_the_file(tmp_path: Path) -> None:
    (tmp_path / "username").write_text("desktops")
    (tmp_path / "password").write_text(PASSWORD)
    target = tmp_path / "htpasswd"
    command = [sys.executable, "-m", "hub_service.htpasswd", str(tmp_path), str(target)]
    subprocess.run(command, check=True)
    assert target.read_text().startswith("desktops:$2b$04$")
