"""Builds that end otherwise: a full disk, a Dockerfile that fails; and the GPU switch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_tools.builder import build, is_here
from image_tools.errors import TooLarge
from image_tools.images import Image

from .conftest import ROOT

needs_buildah = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("buildah") is None, reason="needs root and buildah"
)
# A build of its own, whose storage is where CONTAINERS_STORAGE_CONF says.
PROGRAM = """
import sys
from image_tools.builder import build
from image_tools.errors import BuildFailed
from image_tools.images import Image
folder = sys.argv[1]
try:
    build(Image("draft", folder), "scratch", "localhost/draft:test", print, {"files": folder})
except BuildFailed as error:
    sys.exit(str(error))
"""


def build_in(store: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Build a folder with a storage of its own."""
    config = folder / "storage.conf"
    config.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{store}/root"\nrunroot = "{store}/run"\n'
    )
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env=os.environ | {"CONTAINERS_STORAGE_CONF": str(config), "TMPDIR": str(store)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def is_called_an_image(folder: Path) -> bool:
    """The store of that build has something of the image's name."""
    environment = os.environ | {"CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf"}
    command = ["buildah", "images", "--format", "{{.Name}}:{{.Tag}}"]
    listed = subprocess.check_output(command, env=environment, text=True)
    return "localhost/draft:test" in listed.split()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is built: a file of 24 MB."""
    made = tmp_path / "draft"
    made.mkdir()
    (made / "large").write_bytes(os.urandom(24_000_000))
    (made / "Dockerfile").write_text("FROM scratch\nCOPY --from=files large /\n")
    return made


@needs_buildah
def test_a_disk_that_fills_is_named_and_nothing_is_called_an_image(
    small_disk: Path, folder: Path
) -> None:
    done = build_in(small_disk, folder)
    assert done.returncode == 1
    assert "draft was not built: the disk is full" in done.stderr
    assert "the image of before is untouched" in done.stderr
    assert not is_called_an_image(folder)


@needs_buildah
def test_another_failure_is_not_taken_for_a_full_disk(
    tmp_path: Path, folder: Path
) -> None:
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY --from=files missing /\n")
    done = build_in(tmp_path / "store", folder)
    assert done.returncode == 1
    assert "draft was not built: what it said stands above" in done.stderr
    assert not is_called_an_image(folder)


@needs_buildah
def test_a_build_that_succeeds_is_called_an_image(tmp_path: Path, folder: Path) -> None:
    assert build_in(tmp_path / "store", folder).returncode == 0
    assert is_called_an_image(folder)


@needs_buildah
def test_what_is_too_large_is_kept_under_another_name_alone(tmp_path: Path) -> None:
    folder = tmp_path / "draft"
    folder.mkdir()
    (folder / "large").write_bytes(b"x" * 2_000_000)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY --from=files large /\n")
    # Beside the desktop images, which have budgets.
    draft = Image("draft", f"images/{os.path.relpath(folder, ROOT / 'images')}")
    name = f"localhost/test-{os.getpid()}/draft"
    said: list[str] = []
    contexts = {"files": str(folder)}
    try:
        with pytest.raises(TooLarge, match="draft takes"):
            build(draft, "scratch", f"{name}:1", said.append, contexts, {"draft": 1})
        assert not is_here(f"{name}:1") and is_here(f"{name}:too-large")
        build(draft, "scratch", f"{name}:1", said.append, contexts, {"draft": 3})
        assert is_here(f"{name}:1")
    finally:
        names = [f"{name}:1", f"{name}:too-large"]
        subprocess.run(["buildah", "rmi", "--force", *names], capture_output=True)


@pytest.mark.images
def test_the_gpu_switch_builds_on_the_ordinary_base() -> None:
    if "base" not in os.environ.get("TEST_IMAGES", "").split(","):
        pytest.skip("minutes: TEST_IMAGES=base builds and tries this image")
    environment = os.environ | {"GPU": "yes"}
    command = [f"{ROOT}/scripts/build-images", "--local", "base"]
    switched = subprocess.check_output(command, env=environment, text=True).strip()
    plain = subprocess.check_output(command, text=True).strip()
    assert switched != plain
    for reference, wanted in ((switched, "all"), (plain, "")):
        inspect = ["buildah", "inspect", "--type", "image", reference]
        config = json.loads(subprocess.check_output(inspect))["OCIv1"]["config"]
        values = dict(line.split("=", 1) for line in config["Env"])
        assert values["NVIDIA_VISIBLE_DEVICES"] == wanted
