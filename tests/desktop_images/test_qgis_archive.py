"""QGIS_FROM=qgis: its makers' archive, whose key must have the fingerprint that is written down.

The installer runs as in an image, with the real apt, on folders of this test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT
from .signing import SigningKey, make_archive

pytestmark = pytest.mark.skipif(
    os.getuid() != 0
    or not all(shutil.which(one) for one in ("gpg", "apt-get", "unshare")),
    reason="needs root, apt and gpg: apt install gnupg",
)
PACKAGES = ["qgis", "python3-qgis", "gdal-bin", "proj-bin"]
INSTALLER = ROOT / "images/geomatics/install-qgis.sh"
TOOLS = ROOT / "images/base/bin"
# What root installs goes to folders that only this run sees.
PRIVATE = f"mount -t tmpfs tmpfs /usr/local/bin && exec {INSTALLER}"


class Machine:
    """An apt of its own below `folder`, which checks and fetches but unpacks nothing."""

    def __init__(self, folder: Path) -> None:
        self._apt = folder / "etc/apt"
        self._fetched = folder / "var/cache/apt/archives"
        for name in ("apt.conf.d", "preferences.d", "sources.list.d"):
            (self._apt / name).mkdir(parents=True)
        for name in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        self._shortcuts = folder / "shortcuts"
        (folder / "bin").mkdir()
        shortcut = folder / "bin/desktop-shortcut.sh"
        shortcut.write_text(f'#!/bin/sh\necho "$@" > {self._shortcuts}\n')
        shortcut.chmod(0o755)
        self._config = folder / "apt.conf"
        self._config.write_text(
            f'Dir "{folder}";\nDir::State::status "{folder}/status";\n'
            'APT::Sandbox::User "root";\nAPT::Get::Download-Only "true";\n'
        )
        self._path = f"{folder}/bin:{TOOLS}:/usr/sbin:/usr/bin:/sbin:/bin"

    def install(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the installer."""
        own = {"PATH": self._path, "APT_CONFIG": str(self._config)}
        own |= {"APT_FOLDER": str(self._apt), "QGIS_FROM": "qgis"}
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", PRIVATE],
            env=own | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def sources(self) -> list[str]:
        return [one.name for one in (self._apt / "sources.list.d").iterdir()]

    def fetched(self) -> list[str]:
        return sorted(one.name.split("_")[0] for one in self._fetched.glob("*.deb"))

    def has_shortcut(self) -> bool:
        return self._shortcuts.exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


@pytest.fixture
def makers(tmp_path: Path, served: Path) -> SigningKey:
    """The key of who signs the archive, and offers both on the server."""
    key = SigningKey(tmp_path / "makers")
    make_archive(served / "archive", PACKAGES, key)
    (served / "key.gpg").write_bytes(key.public)
    return key


def places(address: str) -> dict[str, str]:
    return {"QGIS_KEY": f"{address}/key.gpg", "QGIS_ARCHIVE": f"{address}/archive"}


def test_a_key_with_the_right_fingerprint_brings_qgis(
    machine: Machine, makers: SigningKey, address: str
) -> None:
    done = machine.install(QGIS_FINGERPRINT=makers.fingerprint, **places(address))
    assert done.returncode == 0, done.stderr
    assert machine.fetched() == sorted(PACKAGES)
    assert machine.sources() == ["qgis.sources"] and machine.has_shortcut()


def test_a_key_that_is_not_qgiss_is_refused_and_nothing_is_installed(
    machine: Machine, makers: SigningKey, address: str
) -> None:
    done = machine.install(**places(address))
    assert done.returncode == 1
    assert "the key of qgis is not the one that was expected" in done.stderr
    wanted = "2D7E3441A707FDB3E7059441D155B8E6A419C5BE"
    assert f"expected fingerprint {wanted}" in done.stderr
    assert f"found    fingerprint {makers.fingerprint}" in done.stderr
    assert machine.fetched() == [] and machine.sources() == []
    assert not machine.has_shortcut()


def test_an_archive_that_somebody_else_signed_is_refused(
    machine: Machine, makers: SigningKey, served: Path, address: str, tmp_path: Path
) -> None:
    shutil.rmtree(served / "archive")
    other = SigningKey(tmp_path / "other", "other@example.org")
    make_archive(served / "archive", PACKAGES, other)
    done = machine.install(QGIS_FINGERPRINT=makers.fingerprint, **places(address))
    assert done.returncode != 0
    assert other.fingerprint[-16:] in done.stderr
    assert machine.fetched() == [] and not machine.has_shortcut()


def test_another_place_than_the_two_is_refused(machine: Machine) -> None:
    done = machine.install(QGIS_FROM="elsewhere")
    assert done.returncode == 1
    assert "QGIS_FROM=elsewhere is neither debian nor qgis" in done.stderr
    assert machine.fetched() == []
