"""The base image, built and run on this machine: its programs, its rights, its files."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs: pip install -e '.[test]'")
from playwright.sync_api import Browser, expect  # noqa: E402

from .desktop import Desktop, keep_picture, wait_for  # noqa: E402

pytestmark = pytest.mark.images
Start = Callable[..., Desktop]
PROGRAMS = {"cron", "display", "netdata", "rsyslogd"}
# Which of this container's programs listen where, from what the kernel says of their sockets.
LISTENERS = r"""
import glob, os
own = {}
for link in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        own[os.readlink(link)] = open(f"/proc/{link.split('/')[2]}/comm").read().strip()
    except OSError:
        pass
for name in ("/proc/net/tcp", "/proc/net/tcp6"):
    for line in open(name).readlines()[1:]:
        part = line.split()
        if part[3] == "0A" and f"socket:[{part[9]}]" in own:
            print(part[1].split(":")[0], own[f"socket:[{part[9]}]"])
"""

# Asks as programs do: the locale has to be there, and the words of each of them.
FRENCH = """
import gettext, locale, sys
locale.setlocale(locale.LC_ALL, sys.argv[1])
asked = {"garcon": "Settings", "gtk30": "About", "mousepad": "All Documents", "thunar": "0 items",
    "xfce4-panel": "About", "xfce4-session": "Cancel", "xfce4-settings": "(Disabled)",
    "xfce4-terminal": "All Files", "xfce4-whiskermenu-plugin": "Favorites",
    "xfdesktop": "Apply", "xfwm4": "Active"}
for domain, words in asked.items():
    found = gettext.translation(domain, "/usr/share/locale", [sys.argv[1]], fallback=True)
    if found.gettext(words) == words:
        print(domain, "says", words)
"""


@pytest.fixture(scope="module")
def desktop(start: Start) -> Desktop:
    """A Kubeflow notebook whose prefix has slashes too many, in French, in Montréal."""
    prefix = "//notebook/team/desk//"
    return start("base", NB_PREFIX=prefix, KF_LANG="fr", TZ="America/Toronto")


def test_it_answers_below_the_tidied_prefix(desktop: Desktop) -> None:
    assert desktop.get("desktop/").status_code == 200
    assert desktop.get("tools/").status_code == 200
    assert str(desktop.get("").url).endswith("/notebook/team/desk/desktop/")


def test_an_idle_desktop_takes_little_memory(desktop: Desktop) -> None:
    time.sleep(20)
    used = desktop.memory() / 2**20
    print(f"idle: {used:.0f} MiB")
    assert used <= 350


def test_its_programs_run_as_the_user_and_none_as_root(desktop: Desktop) -> None:
    shown = desktop.run("supervisorctl status")
    running = set(re.findall(r"^(\w+) +RUNNING", shown, flags=re.M))
    assert running == PROGRAMS, shown
    owners = desktop.run("ps -eo user= | sort -u").split()
    assert owners == ["jovyan"]


def test_only_the_page_and_netdatas_own_address_listen(desktop: Desktop) -> None:
    desktop.get("tools/vscode/")
    found = desktop.run(f"python3 - <<'END'\n{LISTENERS}\nEND")
    listeners = sorted({tuple(line.split()) for line in found.splitlines()})
    # 0100007F is 127.0.0.1, as the kernel writes it.
    assert listeners == [("00000000", "jupyter-server"), ("0100007F", "netdata")]


@pytest.mark.parametrize("program", ["netdata", "cron"])
def test_a_program_that_dies_comes_back(desktop: Desktop, program: str) -> None:
    ask = f"supervisorctl pid {program}"
    before = desktop.run(ask)
    desktop.run(f"kill -9 {before}")
    wait_for(
        program,
        lambda: (
            "RUNNING" in desktop.run(f"supervisorctl status {program}", check=False)
            and desktop.run(ask) != before
        ),
    )


def test_the_desktop_comes_back_when_its_script_dies(desktop: Desktop) -> None:
    desktop.run("kill -9 $(supervisorctl pid display)")
    wait_for("the end", lambda: not desktop.is_ready(), 20)
    wait_for("the desktop", desktop.is_ready)


def test_nobody_becomes_root_in_a_session_for_work(desktop: Desktop) -> None:
    assert "Ce bureau sert à travailler" in desktop.run(
        "LANG=fr_FR.UTF-8 sudo true", check=False
    )
    assert "jovyan" in desktop.run("/usr/bin/sudo -n id 2>&1; id -un", check=False)


def test_what_programs_log_is_in_the_containers_log(desktop: Desktop) -> None:
    desktop.run("logger this is for the log")
    wait_for("the line", lambda: "jovyan: this is for the log" in desktop.log, 20)


def test_cron_runs_a_line_of_the_user(desktop: Desktop) -> None:
    desktop.run("echo '* * * * * id -un > ~/cron-was-here' | crontab -")
    there = "cat ~/cron-was-here 2>/dev/null || true"
    wait_for("cron", lambda: desktop.run(there).strip() == "jovyan", 90)
    desktop.run("crontab -r")


def test_language_and_time_zone_reach_the_desktops_programs(desktop: Desktop) -> None:
    environ = desktop.run("tr '\\0' '\\n' < /proc/$(pgrep -x xfce4-panel)/environ")
    assert "LANG=fr_FR.UTF-8" in environ and "TZ=America/Toronto" in environ
    assert "JUPYTERHUB_API_TOKEN" not in environ
    zones = "date -d 2026-01-15T12:00Z +%Z; TZ=America/Toronto date -d 2026-01-15T12:00Z +%H"
    assert desktop.run(zones).split()[-1] == "07"


@pytest.mark.parametrize("language", ["fr_CA.UTF-8", "fr_FR.UTF-8"])
def test_the_desktops_programs_speak_french(desktop: Desktop, language: str) -> None:
    script = f"/opt/python/bin/python - {language} <<'END'\n{FRENCH}\nEND"
    assert desktop.run(script) == ""


def test_the_menu_opens_and_is_kept_as_a_picture(
    desktop: Desktop, chromium: Browser
) -> None:
    page = chromium.new_page(
        viewport={"width": 1200, "height": 800}, locale="fr-CA", color_scheme="light"
    )
    desktop.painted_after(page)
    tree = "xwininfo -root -tree"
    before = desktop.run(tree)
    # The panel is asked over the bus of its own session.
    environ = "tr '\\0' '\\n' < /proc/$(pgrep -x xfce4-panel)/environ"
    desktop.run(f"export $({environ} | grep ^DBUS_); xfce4-popup-whiskermenu")
    wait_for("the menu", lambda: desktop.run(tree) != before, 20)
    time.sleep(2)
    keep_picture(page, "base-menu-fr")
    page.close()


def test_every_file_of_the_settings_folder_can_be_read(desktop: Desktop) -> None:
    # Its entries once had no owner and mode (question marks in `ls -l`) for anybody but root.
    for home in ("/home/jovyan", "/home_nbuser_default"):
        listed = desktop.run(f"ls -laR {home}/.config && find {home}/.config -ls")
        assert "?" not in listed and "denied" not in listed
    assert desktop.run("cat ~/.config/user-dirs.dirs | head -c 1").strip() == "#"
    desktop.run("touch ~/.config/a && rm ~/.config/a")


def test_reset_brings_the_desktop_back_as_it_was_at_first(desktop: Desktop) -> None:
    desktop.run("rm ~/Desktop/netdata.desktop; echo broken > ~/.config/xfce4/mark")
    assert "desktop-settings-" in desktop.run("reset-desktop-settings --yes")
    wait_for("the desktop", desktop.is_ready)
    desktop.run("test -x ~/Desktop/netdata.desktop && ! test -e ~/.config/xfce4/mark")


def test_vs_code_and_netdata_open_from_their_tiles(
    desktop: Desktop, chromium: Browser
) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    page.goto(desktop.address + "tools/")
    with page.expect_navigation():
        page.get_by_role("link", name="VS Code").click()
    expect(page.locator(".monaco-workbench")).to_be_visible(timeout=90_000)
    # Without its websocket it would say so instead of showing the folder.
    expect(
        page.locator(".explorer-viewlet, .explorer-folders-view").first
    ).to_be_visible(timeout=60_000)
    page.goto(desktop.address + "tools/")
    with page.expect_navigation():
        page.get_by_role("link", name="netdata").click()
    expect(page).to_have_title(re.compile("netdata"), timeout=60_000)
    info = desktop.get("tools/netdata/api/v1/info")
    assert info.json()["version"].startswith("v")
    page.close()


@pytest.mark.parametrize("name", ["base", "r", "geomatics"])
def test_the_finished_image_has_no_caches_and_no_wrong_owners(
    root_of: Callable[[str], Path], name: str
) -> None:
    root = root_of(name)
    for cache in ("var/lib/apt/lists", "var/cache/apt/archives", "tmp", "root/.cache"):
        found = (root / cache).rglob("*") if (root / cache).exists() else iter(())
        left = [one for one in found if one.is_file() and one.name != "lock"]
        assert left == [], cache
    assert not list(root.glob("root/.npm")) and not list(root.glob("**/pip/cache"))
    for folder in ("home/jovyan", "home_nbuser_default", "opt/python", "opt/r-library"):
        for file in (root / folder).rglob("*"):
            entry = file.lstat()
            assert (entry.st_uid, entry.st_gid) == (1000, 100), file
            if not stat.S_ISLNK(entry.st_mode):
                assert entry.st_mode & stat.S_IWGRP, file
    owned = [
        one for one in (root / "opt/jupyter").rglob("*") if one.lstat().st_uid != 0
    ]
    assert owned == []


def test_sudoers_has_the_two_locks_and_nothing_else(
    root_of: Callable[[str], Path],
) -> None:
    root = root_of("base")
    files = [root / "etc/sudoers", *sorted((root / "etc/sudoers.d").iterdir())]
    lines = "\n".join(file.read_text() for file in files).splitlines()
    rules = [line for line in lines if re.match(r"\s*[%\w-]+\s+\S+\s*=", line)]
    allowed = [line.split()[0] for line in rules if not line.startswith("Defaults")]
    assert sorted(allowed) == ["%desktop-customise", "%sudo", "root"]
    members = (root / "etc/group").read_text()
    assert re.search(r"^sudo:x:\d+:$", members, flags=re.M)
    assert re.search(r"^desktop-customise:x:2600:$", members, flags=re.M)


def test_the_first_to_end_leaves_the_others_alone(start: Start) -> None:
    first, second = start("base"), start("base")
    first.stop()
    assert second.is_ready()
    second.stop()
    assert not second.is_left()


def test_a_start_is_painted_soon(start: Start, chromium: Browser) -> None:
    desktop = start("base", NB_PREFIX="/notebook/team/second")
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    seconds = desktop.painted_after(page)
    print(f"container asked for -> painted: {seconds:.1f} s")
    assert seconds < 60
    page.close()
