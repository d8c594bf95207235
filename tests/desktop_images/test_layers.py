"""What an image weighs, and what is named as large in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from image_tools.layers import SHOWN, Layer, large_in, layers_of, size_of

from .small import building, needs_buildah

MEGABYTE = 1_000_000


def write(folder: Path, name: str, size: int) -> Path:
    """Write a file of a layer."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    return file


@needs_buildah
def test_each_layer_has_its_size_its_files_and_what_made_it(tmp_path: Path) -> None:
    write(tmp_path, "large", 3 * MEGABYTE)
    write(tmp_path, "small", MEGABYTE)
    with building(tmp_path) as build:
        # Two layers with one content, and steps that make none.
        lines = ["FROM scratch", "ENV A=b", "COPY large /one/", "COPY small /two/"]
        lines += ["COPY large /one/", 'LABEL c="d"']
        image = build("layers:1", "\n".join(lines))
        layers = layers_of(image)
        total = size_of(image)
    assert [layer.size // MEGABYTE for layer in layers] == [3, 1, 3]
    assert total == sum(layer.size for layer in layers)
    assert ["one" in layer.made_by for layer in layers] == [True, False, True]
    assert not any("nop" in layer.made_by for layer in layers)


@needs_buildah
def test_layers_of_a_parent_come_first(tmp_path: Path) -> None:
    write(tmp_path, "large", 3 * MEGABYTE)
    write(tmp_path, "small", MEGABYTE)
    with building(tmp_path) as build:
        parent = build("parent:1", "FROM scratch\nCOPY large /one/\n")
        child = build("child:1", f"FROM {parent}\nCOPY small /two/\n")
        layers = layers_of(child)
        named = [large_in(layer) for layer in layers]
        inside = [sorted(one.name for one in layer.files.iterdir()) for layer in layers]
    assert [layer.size // MEGABYTE for layer in layers] == [3, 1]
    assert inside == [["one"], ["two"]]
    assert named == [[(3 * MEGABYTE, "/one")], [(MEGABYTE, "/two")]]


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    """A layer without an image."""
    return Layer(0, "", tmp_path)


def test_the_folder_is_named_that_most_is_in(layer: Layer) -> None:
    write(layer.files, "usr/lib/r/library/sf/data", 9 * MEGABYTE)
    write(layer.files, "usr/lib/r/library/terra/data", 8 * MEGABYTE)
    write(layer.files, "usr/lib/r/readme", 1000)
    write(layer.files, "usr/share/doc/data", 2 * MEGABYTE)
    assert large_in(layer) == [
        (17 * MEGABYTE, "/usr/lib/r/library"),
        (2 * MEGABYTE, "/usr/share/doc"),
    ]


def test_what_is_small_is_not_named_and_of_the_rest_the_largest(layer: Layer) -> None:
    for number in range(1, SHOWN + 3):
        write(layer.files, f"opt/{number}/data", number * MEGABYTE)
    write(layer.files, "opt/small/data", MEGABYTE - 1)
    wanted = [(n * MEGABYTE, f"/opt/{n}") for n in range(SHOWN + 2, 2, -1)]
    assert large_in(layer) == wanted
    (layer.files / "opt/1/data").unlink()
    for number in range(2, SHOWN + 3):
        (layer.files / f"opt/{number}/data").unlink()
    assert large_in(layer) == []


def test_a_file_with_two_names_counts_once_and_a_link_as_itself(layer: Layer) -> None:
    file = write(layer.files, "usr/bin/program", 3 * MEGABYTE)
    os.link(file, layer.files / "usr/bin/again")
    (layer.files / "usr/bin/more").symlink_to("program")
    (layer.files / "usr/other").symlink_to("bin")
    # A link has the bytes of where it points to.
    weight = 3 * MEGABYTE + len("program")
    assert large_in(layer) == [(weight, "/usr/bin")]
