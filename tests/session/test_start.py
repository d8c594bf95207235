"""The parts of start-desktop that need no image: stale files, the home, the display."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "images/base/rootfs/usr/local/lib/desktop"
BIN = LIB.parents[1] / "bin"


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a piece of bash with the functions of the image."""
    parts = "".join(f". {LIB / name}\n" for name in ("say.sh", "runtime.sh", "home.sh"))
    return subprocess.run(
        ["bash", "-uc", parts + script],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment whose /tmp, /proc and home are folders of this test."""
    for name in ("x", "proc", "home"):
        (tmp_path / name).mkdir()
    return {
        "DESKTOP_RUNTIME_DIR": str(tmp_path / "run"),
        "DESKTOP_X_TMP": str(tmp_path / "x"),
        "DESKTOP_PROC": str(tmp_path / "proc"),
        # The same file system as the home: as if nothing covered it.
        "DESKTOP_ROOT": str(tmp_path),
        "HOME": str(tmp_path / "home"),
    }


def lock(tmp_path: Path, number: int, pid: str) -> None:
    (tmp_path / f"x/.X{number}-lock").write_text(f"{pid:>10}\n")
    (tmp_path / "x/.X11-unix").mkdir(exist_ok=True)
    (tmp_path / f"x/.X11-unix/X{number}").touch()


def test_an_earlier_runs_folder_is_made_anew(
    place: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "run/jupyter").mkdir(parents=True)
    (tmp_path / "run/vnc.sock").touch()
    done = run(
        'make_runtime_folder; ls -A "$XDG_RUNTIME_DIR"; echo "$DISPLAY"', **place
    )
    assert done.stdout.split() == ["jupyter", ":1"]
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_a_dead_lock_is_removed(place: dict[str, str], tmp_path: Path) -> None:
    lock(tmp_path, 1, "4242")
    done = run('choose_display; echo "$DISPLAY"', **place)
    assert done.stdout == ":1\n"
    assert not (tmp_path / "x/.X1-lock").exists()
    assert not (tmp_path / "x/.X11-unix/X1").exists()


def test_a_lock_whose_number_is_another_program_now_is_removed(
    place: dict[str, str], tmp_path: Path
) -> None:
    lock(tmp_path, 1, "7")
    (tmp_path / "proc/7").mkdir()
    (tmp_path / "proc/7/comm").write_text("bash\n")
    assert run('choose_display; echo "$DISPLAY"', **place).stdout == ":1\n"


def test_a_living_servers_display_is_left_alone(
    place: dict[str, str], tmp_path: Path
) -> None:
    lock(tmp_path, 1, "7")
    (tmp_path / "proc/7").mkdir()
    (tmp_path / "proc/7/comm").write_text("Xvnc\n")
    assert run('choose_display; echo "$DISPLAY"', **place).stdout == ":2\n"
    assert (tmp_path / "x/.X1-lock").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make another owner's file")
def test_another_owners_lock_is_left_alone(
    place: dict[str, str], tmp_path: Path
) -> None:
    lock(tmp_path, 1, "4242")
    os.chown(tmp_path / "x/.X1-lock", 12345, 12345)
    assert run('choose_display; echo "$DISPLAY"', **place).stdout == ":2\n"
    assert (tmp_path / "x/.X1-lock").exists()


def test_a_saved_homes_litter_goes_and_a_persons_files_stay(
    place: dict[str, str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / ".vnc").mkdir()
    for name in (
        ".vnc/host:1.pid",
        ".vnc/host:1.log",
        ".vnc/config",
        ".ICEauthority",
        "thesis",
    ):
        (home / name).touch()
    run("clear_stale_files", **place)
    left = sorted(str(path.relative_to(home)) for path in home.rglob("*"))
    assert left == [".vnc", ".vnc/config", "thesis"]


def test_on_a_volume_nothing_is_cleared(place: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home/.ICEauthority").touch()
    run("clear_stale_files", **{**place, "DESKTOP_ROOT": "/proc"})
    assert (tmp_path / "home/.ICEauthority").exists()


def test_an_empty_machine_id_is_filled_and_a_full_one_kept(
    place: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "machine-id"
    file.touch()
    run("give_machine_id", **place, DESKTOP_MACHINE_ID=str(file))
    first = file.read_text()
    assert len(first.strip()) == 32
    run("give_machine_id", **place, DESKTOP_MACHINE_ID=str(file))
    assert file.read_text() == first


@pytest.fixture
def defaults(tmp_path: Path) -> Path:
    """What the image keeps aside."""
    folder = tmp_path / "defaults"
    (folder / "Desktop").mkdir(parents=True)
    (folder / "Desktop/terminal.desktop").write_text("default")
    (folder / ".bashrc").write_text("default")
    return folder


def test_defaults_come_back_and_overwrite_nothing(
    place: dict[str, str], tmp_path: Path, defaults: Path
) -> None:
    home = tmp_path / "home"
    (home / ".bashrc").write_text("mine")
    run(f"restore_defaults {defaults} {home}", **place)
    assert (home / ".bashrc").read_text() == "mine"
    assert (home / "Desktop/terminal.desktop").read_text() == "default"


def test_what_was_deleted_stays_deleted_until_the_defaults_change(
    place: dict[str, str], tmp_path: Path, defaults: Path
) -> None:
    home = tmp_path / "home"
    icon = home / "Desktop/terminal.desktop"
    run(f"restore_defaults {defaults} {home}", **place)
    icon.unlink()
    run(f"restore_defaults {defaults} {home}", **place)
    assert not icon.exists()
    (defaults / "new").write_text("of a newer image")
    run(f"restore_defaults {defaults} {home}", **place)
    assert icon.exists() and (home / "new").exists()


def test_a_home_that_cannot_be_written_is_replaced_and_said(
    place: dict[str, str], tmp_path: Path, defaults: Path
) -> None:
    missing = tmp_path / "not-there"
    environment = {
        **place,
        "HOME": str(missing),
        "DESKTOP_HOME_DEFAULTS": str(defaults),
    }
    done = run('make_runtime_folder; prepare_home; echo "$HOME"; pwd', **environment)
    temporary = tmp_path / "run/home"
    assert done.stdout.split() == [str(temporary), str(temporary)]
    assert (temporary / ".bashrc").read_text() == "default"
    assert (tmp_path / "run/notice").read_text() == "home_not_writable\n"
    assert "Your files there are untouched." in done.stderr


def test_any_other_command_runs_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "start-desktop", "echo", "hello"],
        env={"PATH": os.environ["PATH"], "DESKTOP_LIB": str(LIB)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "hello\n"


# Stands for each program that start-desktop leaves the rest to, and for what no test may ask of
# the machine: who runs it. It tells how it was called.
PROGRAM = """#!/bin/sh
case ${0##*/} in
  id) echo 1000 ;;
  locale) echo en_US.utf8 ;;
  jupyter*) echo "${0##*/} ${DESKTOP_SERVER_MODE-} ${NB_PREFIX-none}" ;;
esac
"""


@pytest.mark.parametrize(
    "address, wanted",
    [
        ({}, "jupyter alone none"),
        ({"NB_PREFIX": ""}, "jupyter alone none"),
        ({"NB_PREFIX": "//"}, "jupyter alone none"),
        ({"NB_PREFIX": "/notebook/team/desk"}, "jupyter kubeflow /notebook/team/desk"),
        ({"NB_PREFIX": "notebook/a/b///"}, "jupyter kubeflow /notebook/a/b"),
        (
            {"JUPYTERHUB_SERVICE_PREFIX": "/user/alice/", "NB_PREFIX": ""},
            "jupyterhub-singleuser  none",
        ),
    ],
)
def test_the_address_decides_which_server_it_becomes(
    place: dict[str, str], tmp_path: Path, address: dict[str, str], wanted: str
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("id", "jupyter", "jupyterhub-singleuser", "locale", "supervisord"):
        (programs / name).write_text(PROGRAM)
        (programs / name).chmod(0o755)
    (tmp_path / "machine-id").write_text("0" * 32)
    done = subprocess.run(
        [BIN / "start-desktop"],
        env=place
        | {"PATH": f"{programs}:{os.environ['PATH']}", "DESKTOP_LIB": str(LIB)}
        | {"DESKTOP_MACHINE_ID": str(tmp_path / "machine-id")}
        | {"DESKTOP_HOME_DEFAULTS": str(tmp_path / "none"), "LANG": "en_US.UTF-8"}
        | address,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == (f"{wanted}\n", 0), done.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_the_scripts_are_clean() -> None:
    scripts = [
        *BIN.iterdir(),
        *LIB.glob("run-*"),
        LIB / "mark-ready",
    ]
    scripts += sorted(LIB.glob("*.sh")) + sorted(LIB.parents[4].glob("*.sh"))
    command = [
        "shellcheck",
        "--shell=bash",
        "--exclude=SC1090,SC1091",
        *map(str, scripts),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == ""
