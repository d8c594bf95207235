"""What is left out, and why."""

import pytest

from snapshot_agent.exclusions import (
    Rules,
    hides_whiteouts,
    printable,
    relative,
    volumes,
)


def make(**kwargs: object) -> Rules:
    options: dict[str, object] = {
        "home": "/home/jovyan",
        "mounts": ["/data", "/home/jovyan/vol*", "/etc/hosts"],
        "asked": ["/home/jovyan/Downloads", "/opt/[a]*"],
        "include_home": True,
    }
    return Rules(**(options | kwargs))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", None),
        ("run", None),
        ("run/x", "runtime"),
        ("run/s6/container_environment/TOKEN", "runtime"),
        ("tmp/.X11-unix/X1", "runtime"),
        ("tmpfile", None),
        (".dockerenv", "runtime"),
        ("home/jovyan/.ssh", "secret"),
        ("home/jovyan/.ssh/id_rsa", "secret"),
        ("home/other/.netrc", "secret"),
        ("home/jovyan/.config/desktops/token", "secret"),
        ("root/.bash_history", "secret"),
        ("srv/.ssh/id", None),
        ("home/jovyan/.sshd", None),
        ("home/jovyan/.cache", None),
        ("home/jovyan/.cache/pip/x", "cache"),
        ("home/jovyan/.mozilla/firefox/ab.default/logins.json", "secret"),
        ("home/jovyan/.mozilla/firefox/ab.default/prefs.js", None),
        ("home/jovyan/.config/chromium/Default/Cookies", "secret"),
        ("home/jovyan/.config/chromium/Default/Login Data", "secret"),
        ("home/jovyan/.config/chromium/Default/Bookmarks", None),
        ("home/jovyan/.config/libreoffice/4/History", None),
        ("home/jovyan/Downloads", "asked"),
        ("home/jovyan/Downloads/a/b", "asked"),
        ("opt/[a]*", "asked"),
        ("opt/[a]b", None),
        ("data", "mount"),
        ("data/x", "mount"),
        ("database", None),
        ("home/jovyan/vol*", "mount"),
        ("home/jovyan/volx", None),
        ("etc/hosts", "mount"),
        ("etc/ssh/ssh_host_rsa_key", "secret"),
        ("usr/lib/python3/tmp/x", None),
        ("var/cache/apt/archives/r.deb", "cache"),
        ("var/cache/apt/archives/lock", None),
    ],
)
def test_reasons(path: str, reason: str | None) -> None:
    assert make().reason(path) == reason


def test_the_home_can_be_left_out_but_stays_a_directory() -> None:
    rules = make(include_home=False)
    assert rules.reason("home/jovyan") is None
    assert rules.reason("home/jovyan/a") == "home"
    assert rules.reason("home/jovyan/.ssh") == "secret"
    assert rules.reason("home/other") is None


def test_a_home_elsewhere() -> None:
    rules = make(home="/srv/people/*a")
    assert rules.reason("srv/people/*a/.ssh/x") == "secret"
    assert rules.reason("srv/people/ba/.ssh/x") is None


def test_a_home_on_a_volume() -> None:
    assert make(mounts=["/home/jovyan"]).home_on_volume
    assert make(mounts=["/home"]).home_on_volume
    assert not make(mounts=["/home/jov", "/home/jovyan/work"]).home_on_volume


def test_where_deletions_are_not_taken() -> None:
    assert hides_whiteouts("mount") and hides_whiteouts("home")
    assert not hides_whiteouts("cache") and not hides_whiteouts("secret")


def test_volumes_are_not_the_mounts_of_every_container() -> None:
    mounts = [
        "/proc",
        "/dev/shm",
        "/etc/hosts",
        "/var/run/secrets/kubernetes.io/x",
        "/data/",
    ]
    assert volumes(mounts) == ["/data"]


def test_paths() -> None:
    assert relative("//home/./a/../b/") == "home/b"
    assert relative("/../..") == ""
    assert printable("a\udcff/é\n") == "/a\\udcff/é\n"
