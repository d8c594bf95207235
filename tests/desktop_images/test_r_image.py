"""The image r: R, its kernel and libraries, and what RStudio's installer does with what it gets."""

from __future__ import annotations

import hashlib
import http.server
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from .conftest import ROOT
from .desktop import Desktop

pytestmark = pytest.mark.images
PATH = "server/jammy/amd64/rstudio-server-2025.05.1-513-amd64.deb"


@pytest.fixture(scope="module")
def desktop(start: Callable[..., Desktop]) -> Desktop:
    return start("r")


def test_r_has_its_libraries_and_jupyterlab_its_kernel(desktop: Desktop) -> None:
    names = "tidyverse data.table devtools knitr rmarkdown shiny DBI RSQLite openxlsx"
    script = "; ".join(f"library({name})" for name in names.split())
    assert "ok" in desktop.run(f"Rscript -e '{script}; cat(\"ok\")'")
    kernels = desktop.get("api/kernelspecs").json()["kernelspecs"]
    assert {"ir", "python3"} <= set(kernels)


def test_packages_go_where_a_save_takes_them(desktop: Desktop) -> None:
    where = desktop.run("Rscript -e 'cat(.libPaths()[1])'")
    assert where.endswith("/opt/r-library")
    desktop.run("touch /opt/r-library/probe && rm /opt/r-library/probe")


def test_without_rstudio_there_is_no_tile_of_it(desktop: Desktop) -> None:
    installed = desktop.run("test -e /usr/lib/rstudio-server && echo yes || echo no")
    shown = desktop.get("server-proxy/servers-info").json()["server_processes"]
    names = {one["name"] for one in shown}
    assert {"tools/vscode", "tools/netdata"} <= names
    assert ("rstudio" in names) == (installed.strip() == "yes")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of RStudio's name, and the folder that a mirror would serve."""
    folder = tmp_path_factory.mktemp("package")
    tree, served = folder / "tree", folder / "served"
    (tree / "DEBIAN").mkdir(parents=True)
    program = tree / "usr/lib/rstudio-server"
    (program / "bin/quarto/share").mkdir(parents=True)
    (program / "www-symbolmaps").mkdir()
    (program / "VERSION").write_text("of a test")
    control = "Package: rstudio-server\nVersion: 2025.05.1\nArchitecture: amd64\n"
    control += "Maintainer: tests <tests@example.org>\nDescription: a test\n"
    (tree / "DEBIAN/control").write_text(control)
    file = served / PATH
    file.parent.mkdir(parents=True)
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return served


@pytest.fixture
def mirror(package: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    handler = partial(Quiet, directory=str(package))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


Install = Callable[..., tuple[int, str, str]]


@pytest.fixture
def install(built: Callable[[str], str]) -> Iterator[Install]:
    """Run the installer as root in a container of the image: its code, its words, what it left."""
    reference = built("r")
    container = subprocess.check_output(
        ["buildah", "from", reference], text=True
    ).strip()

    def run(**environment: str) -> tuple[int, str, str]:
        command = ["buildah", "run", "--isolation", "chroot", "--network", "host"]
        command += ["--user", "root", "--volume", f"{ROOT}/images/r:/installers:ro"]
        for name, value in environment.items():
            command += ["--env", f"{name}={value}"]
        script = "cp /installers/requirements-rstudio.txt /tmp/ && "
        script += "/installers/install-rstudio.sh > /words 2>&1"
        inside = [container, "--", "bash", "-c"]
        done = subprocess.run(
            [*command, *inside, script], capture_output=True, text=True, check=False
        )
        # buildah loses the last words of a program that fails: they are read from a file.
        look = "find /usr/lib/rstudio-server; ls /opt/jupyter/lib/python3*/site-packages; true"
        words, left = (
            subprocess.check_output([*command, *inside, script], text=True)
            for script in ("cat /words", look)
        )
        return done.returncode, words, left

    yield run
    subprocess.run(["buildah", "rm", container], check=True, capture_output=True)


def test_the_expected_rstudio_is_installed_with_its_tile(
    install: Install, mirror: str, package: Path
) -> None:
    checksum = hashlib.sha256((package / PATH).read_bytes()).hexdigest()
    code, words, left = install(RSTUDIO_MIRROR=mirror, RSTUDIO_SHA256=checksum)
    assert code == 0, words
    assert "VERSION" in left and "jupyter_rsession_proxy" in left
    # What the image has no room for.
    assert "quarto" not in left and "symbolmaps" not in left


def test_another_rstudio_stops_the_build(install: Install, mirror: str) -> None:
    code, words, left = install(RSTUDIO_MIRROR=mirror)
    assert code == 1 and "jupyter_rsession_proxy" not in left
    assert "is not the file that was expected" in words


def test_without_its_makers_the_image_is_made_without_it(install: Install) -> None:
    code, words, left = install(RSTUDIO_MIRROR="http://127.0.0.1:9")
    assert code == 0 and "jupyter_rsession_proxy" not in left
    assert "this image has R, but no RStudio" in words
    assert "give RSTUDIO_MIRROR=<your mirror>" in words
