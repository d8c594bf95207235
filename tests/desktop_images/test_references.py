"""Which tag an image has, in which order images are made, and what a root's name means."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from image_tools.images import ROOT, TAG_LENGTH, Image, commit_tags, with_parents
from tests.conformance.registries import MISSING, find_registry, real_registry

from .small import Build, building, needs_buildah

FAMILY = ["base", "r", "geomatics"]
ROOT_IMAGE = "FROM scratch\nLABEL a=1\n"
NOWHERE = "localhost/nowhere/root"
Built = list[tuple[str, str, str]]
"""Images with what they are made from, and their references."""
Names = list[str]
Counts = list[int]


@pytest.fixture(scope="module")
def script() -> Any:
    """scripts/build-images."""
    loader = SourceFileLoader("build_images", str(ROOT / "scripts/build-images"))
    spec = spec_from_loader("build_images", loader)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Place:
    """Notes what it is to have, and builds nothing."""

    prefix = "localhost/desktops"

    def __init__(self, list: Path) -> None:
        self.list = list
        self.built: Built = []
        self.brought: Names = []
        self.noted: Counts = []

    def ensure(self, image: Image, base: str, reference: str) -> None:
        known = json.loads(self.list.read_text()) if self.list.exists() else {}
        self.noted.append(len(known))
        self.built.append((image.name, base, reference))

    def bring_back(self, reference: str) -> None:
        self.brought.append(reference)


@pytest.fixture
def made(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ensure the family on a root, with switches; give the place."""

    def make(root: str, **switches: str) -> Place:
        place = Place(tmp_path / f"{uuid.uuid4().hex}.json")
        with monkeypatch.context() as patch:
            for name, value in (switches | {"BASE_IMAGE": root}).items():
                patch.setenv(name, value)
            references = script.ensure_all(with_parents(["geomatics"]), place)
        assert references == {name: ref for name, _, ref in place.built}
        return place

    return make


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Builds small images."""
    with building(tmp_path) as builder:
        yield builder


def tags(place: Place) -> list[str]:
    """The tags of the family."""
    return [reference.rpartition(":")[2] for _, _, reference in place.built]


@needs_buildah
def test_each_is_made_from_its_parent_and_noted_at_once(
    made: Any, build: Build
) -> None:
    root = build("root:1", ROOT_IMAGE)
    place = made(root)
    base, r, geomatics = place.built
    assert [one[0] for one in place.built] == FAMILY
    assert [one[1] for one in place.built] == [root, base[2], r[2]]
    assert place.noted == [0, 1, 2]
    # What buildah no longer has, the place is asked for before a child is made.
    assert place.brought == [base[2], r[2]]
    assert [len(tag) for tag in tags(place)] == [TAG_LENGTH] * 3
    assert base[2].startswith("localhost/desktops/base:")


@needs_buildah
def test_a_tag_changes_with_its_parents_and_no_other(made: Any, build: Build) -> None:
    root = build("root:1", ROOT_IMAGE)
    plain = tags(made(root))
    assert tags(made(root)) == plain
    for switch, changed in (("GPU", 0), ("RSTUDIO_MIRROR", 1), ("QGIS_FROM", 2)):
        other = tags(made(root, **{switch: "x"}))
        same = [one == two for one, two in zip(plain, other, strict=True)]
        assert same == [number < changed for number in range(3)]


@needs_buildah
def test_a_roots_name_counts_for_what_it_means(made: Any, build: Build) -> None:
    root = build("root:1", ROOT_IMAGE)
    first = tags(made(root))
    subprocess.run(["buildah", "tag", root, f"{root}-too"], check=True)
    assert tags(made(f"{root}-too")) == first
    subprocess.run(["buildah", "rmi", f"{root}-too"], check=True)
    build("root:1", "FROM scratch\nLABEL a=2\n")
    second = tags(made(root))
    assert not set(first) & set(second)


@needs_buildah
def test_of_a_root_that_is_nowhere_the_name_counts(made: Any) -> None:
    first, second = tags(made(f"{NOWHERE}:1")), tags(made(f"{NOWHERE}:2"))
    assert not set(first) & set(second)


@needs_buildah
def test_a_root_that_is_not_here_is_fetched_for_its_meaning(
    made: Any, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = find_registry()
    if binary is None or shutil.which("skopeo") is None:
        pytest.skip(MISSING)
    root = build("root:1", "FROM scratch\nLABEL a=3\n")
    wanted = tags(made(root))
    with real_registry(tmp_path, binary) as registry:
        remote = f"{registry.host}/root:1"
        plain = "--dest-tls-verify=false"
        command = ["skopeo", "copy", "--quiet", "--insecure-policy", plain]
        source = f"containers-storage:{root}"
        subprocess.run([*command, source, f"docker://{remote}"], check=True)
        config = tmp_path / "registries.conf"
        config.write_text(
            f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n'
        )
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(config))
        try:
            assert tags(made(remote)) == wanted
        finally:
            subprocess.run(["buildah", "rmi", remote], capture_output=True)


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", *who, *arguments]
    return subprocess.check_output(command, cwd=folder, text=True).strip()


def test_only_what_is_committed_is_called_by_the_commit(tmp_path: Path) -> None:
    assert commit_tags(tmp_path) == []
    git(tmp_path, "init", "--quiet")
    assert commit_tags(tmp_path) == []
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "-m", "a")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit_tags(tmp_path) == [head, "latest"]
    (tmp_path / "file").write_text("b")
    assert commit_tags(tmp_path) == []
    git(tmp_path, "commit", "--quiet", "--all", "-m", "b")
    assert commit_tags(tmp_path) == [git(tmp_path, "rev-parse", "HEAD"), "latest"]
    (tmp_path / "more").write_text("c")
    assert commit_tags(tmp_path) == []
