"""What of a start depends on where it is: the address, the language, the time, the home."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .test_start import BIN, LIB

ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount")


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a piece of bash with the functions of the image."""
    names = ("say.sh", "runtime.sh", "home.sh", "place.sh")
    parts = "".join(f". {LIB / name}\n" for name in names)
    return subprocess.run(
        ["bash", "-uc", parts + script],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "given, wanted",
    [
        ("/notebook/team/desk", "/notebook/team/desk"),
        ("/notebook/team/desk/", "/notebook/team/desk"),
        ("/notebook/team/desk///", "/notebook/team/desk"),
        ("notebook/team/desk/", "/notebook/team/desk"),
        ("", "none"),
        ("/", "none"),
        ("//", "none"),
    ],
)
def test_a_prefix_is_tidied(given: str, wanted: str) -> None:
    done = run('tidy_prefix; echo "${NB_PREFIX-none}"', NB_PREFIX=given)
    assert (done.stdout, done.stderr) == (f"{wanted}\n", "")


@pytest.mark.parametrize("given", ["/a b", "/a?b=c", "/a/../b", "/a#b", "/a%2fb"])
def test_a_prefix_that_is_no_path_is_refused_with_what_to_do(given: str) -> None:
    done = run("tidy_prefix; echo started", NB_PREFIX=given)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not the path of an address" in done.stderr
    assert "Set it to a path such as" in done.stderr


@pytest.fixture
def locales(tmp_path: Path) -> str:
    """A PATH whose `locale` knows what the image has."""
    program = tmp_path / "bin/locale"
    program.parent.mkdir()
    names = ["C.utf8", "POSIX", "en_CA.utf8", "en_US.utf8", "fr_CA.utf8", "fr_FR.utf8"]
    program.write_text("#!/bin/sh\n" + "".join(f"echo {one}\n" for one in names))
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    "kubeflow, lang, wanted",
    [
        ("", "en_US.UTF-8", "en_US.UTF-8"),
        ("", "fr_FR.UTF-8", "fr_FR.UTF-8"),
        ("fr", "en_US.UTF-8", "fr_FR.UTF-8"),
        ("fr-CA", "en_US.UTF-8", "fr_CA.UTF-8"),
        ("en", "fr_FR.UTF-8", "en_US.UTF-8"),
        ("", "C.UTF-8", "C.UTF-8"),
    ],
)
def test_the_language_is_kubeflows_else_the_given_one(
    locales: str, kubeflow: str, lang: str, wanted: str
) -> None:
    place = {"PATH": locales, "KF_LANG": kubeflow, "LANG": lang, "LC_ALL": ""}
    done = run('choose_language; echo "$LANG"', **place)
    assert (done.stdout, done.stderr) == (f"{wanted}\n", "")


@pytest.mark.parametrize(
    "place, words",
    [
        ({"KF_LANG": "de"}, "KF_LANG=de is neither English nor French"),
        ({"LANG": "de_DE.UTF-8"}, "LANG=de_DE.UTF-8 is not in this image"),
    ],
)
def test_another_language_becomes_english_and_is_said(
    locales: str, place: dict[str, str], words: str
) -> None:
    done = run('choose_language; echo "$LANG"', **{"PATH": locales, **place})
    assert done.stdout == "en_US.UTF-8\n"
    assert words in done.stderr


def test_a_time_zone_that_nobody_knows_is_said(tmp_path: Path) -> None:
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe/Paris").touch()
    check = 'check_time_zone; echo "${TZ-none}"'
    zones = {"DESKTOP_ZONES": str(tmp_path)}
    assert run(check, TZ="Europe/Paris", **zones).stdout == "Europe/Paris\n"
    done = run(check, TZ="Europe/Pariss", **zones)
    assert done.stdout == "none\n" and "clocks show UTC" in done.stderr
    assert run(check, **zones).stderr == ""


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A small volume, as the user's home would be."""
    folder = tmp_path / "volume"
    folder.mkdir()
    options = "size=64k,uid=1000,gid=100,mode=0775"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def prepare(home: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Start as far as the home, with defaults of an image."""
    defaults = tmp_path / "defaults"
    (defaults / "Desktop").mkdir(parents=True)
    (defaults / "Desktop/netdata.desktop").write_text("of the image")
    return run(
        'make_runtime_folder; prepare_home; echo "$HOME"',
        HOME=str(home),
        DESKTOP_RUNTIME_DIR=str(tmp_path / "run"),
        DESKTOP_X_TMP=str(tmp_path),
        DESKTOP_HOME_DEFAULTS=str(defaults),
    )


@ROOT_ONLY
def test_a_full_volume_is_said_and_nothing_on_it_is_touched(
    mounted: Path, tmp_path: Path
) -> None:
    with (mounted / "thesis").open("wb", buffering=0) as file:
        with pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)
    before = (mounted / "thesis").read_bytes()
    done = prepare(mounted, tmp_path)
    assert done.stdout == f"{tmp_path}/run/home\n"
    assert "(read-only, full, or another owner's)" in done.stderr
    assert [one.name for one in mounted.iterdir()] == ["thesis"]
    assert (mounted / "thesis").read_bytes() == before


@ROOT_ONLY
def test_a_read_only_volume_is_said_and_the_desktop_starts(
    mounted: Path, tmp_path: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    done = prepare(mounted, tmp_path)
    assert (tmp_path / "run/notice").read_text() == "home_not_writable\n"
    assert (tmp_path / "run/home/Desktop/netdata.desktop").exists()
    assert "Your files there are untouched." in done.stderr


@ROOT_ONLY
def test_a_home_of_an_older_image_gets_what_is_missing(
    mounted: Path, tmp_path: Path
) -> None:
    (mounted / "Desktop").mkdir()
    (mounted / "Desktop/terminal.desktop").write_text("older")
    assert prepare(mounted, tmp_path).stdout == f"{mounted}\n"
    assert (mounted / "Desktop/terminal.desktop").read_text() == "older"
    assert (mounted / "Desktop/netdata.desktop").read_text() == "of the image"


def reset(home: Path, defaults: Path) -> subprocess.CompletedProcess[str]:
    """Reset without being asked."""
    return subprocess.run(
        [BIN / "reset-desktop-settings", "--yes"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "fr_FR.UTF-8",
            "DESKTOP_LIB": str(LIB),
            "DESKTOP_HOME_DEFAULTS": str(defaults),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_reset_brings_the_first_settings_back_and_keeps_the_rest(
    tmp_path: Path,
) -> None:
    home, defaults = tmp_path / "home", tmp_path / "defaults"
    for folder in (home / ".config/xfce4", home / "work", defaults / "Desktop"):
        folder.mkdir(parents=True)
    (home / ".config/xfce4/panel").write_text("broken")
    (home / ".config/mine").write_text("another program's")
    (home / "work/thesis").write_text("mine")
    (defaults / "Desktop/terminal.desktop").write_text("of the image")
    done = reset(home, defaults)
    assert done.returncode == 0 and "C’est fait." in done.stdout
    assert not (home / ".config/xfce4").exists()
    assert (home / "Desktop/terminal.desktop").read_text() == "of the image"
    assert (home / "work/thesis").read_text() == "mine"
    assert (home / ".config/mine").read_text() == "another program's"
    kept = list(home.glob(".config/desktop-settings-*/.config/xfce4/panel"))
    assert [one.read_text() for one in kept] == ["broken"]


@ROOT_ONLY
def test_reset_on_a_read_only_home_changes_nothing_and_says_so(
    mounted: Path, tmp_path: Path
) -> None:
    (mounted / ".config/xfce4").mkdir(parents=True)
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    done = reset(mounted, tmp_path)
    assert done.returncode == 1 and "Rien n’a été changé" in done.stderr
