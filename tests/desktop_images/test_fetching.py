"""What installers fetch: the right file, another one, none, no room; a key, another key."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import CONTENT
from .signing import SigningKey

TOOLS = Path(__file__).parents[2] / "images/base/bin"


def run(tool: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Its code and what it told people."""
    done = subprocess.run(
        [TOOLS / tool, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_expected_file_is_kept(address: str, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    assert run("fetch.sh", f"{address}/file", digest(CONTENT), str(file))[0] == 0
    assert file.read_bytes() == CONTENT


def test_another_file_is_deleted_and_both_checksums_are_said(
    address: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept"
    code, words = run("fetch.sh", f"{address}/file", digest(b"other"), str(file))
    assert code == 1 and not file.exists()
    assert f"expected SHA-256 {digest(b'other')}" in words
    assert f"found    SHA-256 {digest(CONTENT)}" in words
    assert "nothing was installed" in words


def test_a_file_that_is_not_there_is_another_failure(
    address: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept"
    code, words = run("fetch.sh", f"{address}/none", digest(CONTENT), str(file))
    assert code == 2 and not file.exists()
    assert "could not be downloaded. Nothing was installed from it." in words


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_is_named(address: str, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    subprocess.run(mount, check=True)
    try:
        file = small / "kept"
        code, words = run("fetch.sh", f"{address}/file", digest(CONTENT), str(file))
        assert code == 3 and not file.exists()
        assert "the disk is full or read-only" in words
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.fixture
def key(tmp_path: Path, served: Path) -> str:
    """A signing key that the server offers; its fingerprint."""
    if shutil.which("gpg") is None:
        pytest.skip("needs gpg: apt install gnupg")
    made = SigningKey(tmp_path / "gnupg")
    (served / "key.asc").write_bytes(made.armoured)
    (served / "key.gpg").write_bytes(made.public)
    return made.fingerprint


def add(address: str, name: str, fingerprint: str, apt: Path) -> tuple[int, str]:
    """Add a package source below another folder than /etc/apt."""
    place = "https://example.org/debian"
    arguments = [f"{address}/{name}", fingerprint, place, "bookworm", "main"]
    return run("add-apt-source.sh", "makers", *arguments, APT_FOLDER=str(apt))


@pytest.mark.parametrize("name", ["key.asc", "key.gpg"])
def test_a_source_is_added_with_its_key_and_no_other(
    address: str, key: str, tmp_path: Path, name: str
) -> None:
    apt = tmp_path / "apt"
    assert add(address, name, key, apt) == (0, "")
    source = (apt / "sources.list.d/makers.sources").read_text()
    assert f"Signed-By: {apt}/keyrings/makers.gpg" in source
    shown = ["gpg", "--show-keys", "--with-colons", f"{apt}/keyrings/makers.gpg"]
    assert key in subprocess.check_output(shown, text=True)
    assert not (apt / "keyrings/makers.gpg").read_bytes().startswith(b"-----")


def test_a_key_with_another_fingerprint_adds_nothing(
    address: str, key: str, tmp_path: Path
) -> None:
    apt = tmp_path / "apt"
    code, words = add(address, "key.asc", "0" * 40, apt)
    assert code == 1 and not apt.exists()
    assert f"expected fingerprint {'0' * 40}" in words
    assert f"found    fingerprint {key}" in words


def test_a_file_that_is_no_key_adds_nothing(
    address: str, key: str, tmp_path: Path
) -> None:
    code, words = add(address, "file", key, tmp_path / "apt")
    assert code == 1 and "found    fingerprint none" in words


def test_a_second_key_in_the_same_file_is_not_let_in(
    address: str, key: str, served: Path, tmp_path: Path
) -> None:
    other = SigningKey(tmp_path / "other", "other@example.org")
    both = (served / "key.gpg").read_bytes() + other.public
    (served / "both.gpg").write_bytes(both)
    assert add(address, "both.gpg", key, tmp_path / "apt")[0] == 1
