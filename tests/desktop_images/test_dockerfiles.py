"""Every Dockerfile and installer of the desktop images keeps the house's rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "images"
FOLDERS = sorted(file.parent for file in IMAGES.glob("*/Dockerfile"))
INSTALLERS = sorted(IMAGES.glob("*/install-*.sh"))
TOOLS = IMAGES / "base/bin"
# The only two that may fetch: each checks what it fetched before anybody uses it.
FETCHERS = {TOOLS / "fetch.sh", TOOLS / "add-apt-source.sh"}


def code(file: Path) -> str:
    """A script or Dockerfile without comments, a command on each line."""
    text = re.sub(r"\\\n\s*", " ", file.read_text())
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines)


def unverified(text: str) -> list[str]:
    """The commands that bring something whose content nobody checks."""
    found = []
    for command in re.split(r"\n|&&|;|\|\|", text):
        if re.search(r"\b(curl|wget)\b|git clone|^\s*ADD\s+http", command):
            found.append(command)
        elif re.search(r"\bpip (install|wheel)\b", command):
            offline = "--no-deps" in command and (
                "--no-index" in command or "--no-build-isolation" in command
            )
            if not offline and "--require-hashes" not in command:
                found.append(command)
        elif re.search(r"\bnpm (install|i|add)\b|\bnpx\b", command):
            found.append(command)
        elif re.search(r"install\.packages|remotes::|devtools::install", command):
            found.append(command)
        elif re.search(r"apt-key|trusted=yes|allow-unauthenticated", command):
            found.append(command)
    return [command.strip() for command in found]


# The name of a package that is fetched by one of these is no fetching.
HARMLESS = re.compile(r"apt-get install[^\n&|;]*")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_is_short_and_explained(folder: Path) -> None:
    lines = (folder / "Dockerfile").read_text().splitlines()
    assert len(lines) <= 120
    assert (folder / "README.md").read_text().startswith("# ")
    assert folder.name in json.loads((IMAGES / "budget.json").read_text())


@pytest.mark.parametrize("file", INSTALLERS, ids=lambda file: file.name)
def test_an_installer_says_what_from_where_and_how_it_is_checked(file: Path) -> None:
    head = file.read_text().partition("\nset -eu")[0]
    for word in ("Version: ", "Source: ", "Checksum: "):
        assert re.search(rf"^# {word} *\S", head, flags=re.M), word
    assert file.stat().st_mode & 0o111


def test_every_download_is_checked() -> None:
    files = {*IMAGES.glob("*/*.sh"), *TOOLS.glob("*.sh"), *IMAGES.glob("*/Dockerfile")}
    found = {
        str(file.relative_to(IMAGES)): commands
        for file in files - FETCHERS
        if (commands := unverified(HARMLESS.sub("", code(file))))
    }
    assert found == {}


@pytest.mark.parametrize(
    "command",
    [
        "curl -fsSL https://example.org/x.sh | sh",
        "wget -q https://example.org/x.deb",
        "ADD https://example.org/x.deb /tmp/",
        "git clone https://example.org/x",
        "pip install requests",
        "npm install -g yarn",
        "Rscript -e 'install.packages(\"x\")'",
        "apt-get update -o x; curl https://example.org/key | apt-key add -",
    ],
)
def test_a_download_that_nobody_checks_is_found(command: str) -> None:
    assert unverified(HARMLESS.sub("", command))


def test_the_lists_of_packages_have_checksums() -> None:
    for file in IMAGES.glob("*/requirements-*.txt"):
        lines = [one for one in file.read_text().splitlines() if one[0] != "#"]
        assert lines and all(
            re.fullmatch(r"\S+==\S+ --hash=sha256:[0-9a-f]{64}", one) for one in lines
        ), file
    locks = list(IMAGES.glob("*/*/package-lock.json"))
    assert locks
    for lock in locks:
        packages = json.loads(lock.read_text())["packages"]
        assert all(one.get("integrity") for name, one in packages.items() if name)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_layer_of_the_image_is_cleaned(folder: Path) -> None:
    # The last stage is the image; the others are thrown away.
    stage = code(folder / "Dockerfile").rpartition("\nFROM ")[2]
    runs = re.findall(r"^RUN .*", stage, flags=re.M)
    assert runs and all(run.endswith("clean-layer.sh") for run in runs)
    assert re.search(r"^USER 1000$", stage, flags=re.M)


def test_folders_of_the_user_get_his_rights_where_they_are_filled() -> None:
    for file in INSTALLERS:
        text = code(file)
        for folder in re.findall(r"(/opt/python|/opt/r-library)\b", text):
            assert f"fix-permissions.sh {folder}" in text, file.name


def test_installers_on_top_of_base_leave_the_users_home_alone() -> None:
    # HOME is set in base: what root's programs write into it, the user cannot change.
    later = [file for file in INSTALLERS if file.parent.name != "base"]
    assert later and all("export HOME=/tmp" in code(file) for file in later)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_the_scripts_are_clean() -> None:
    scripts = [*IMAGES.glob("*/*.sh"), *TOOLS.glob("*")]
    scripts += [IMAGES.parent / "scripts/run-image"]
    command = ["shellcheck", "--exclude=SC1090,SC1091", *map(str, sorted(scripts))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == ""
