"""What an image of buildah's store weighs, layer by layer, and what is large in each."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOWN = 4
"""Folders named for a layer."""
WORTH_NAMING = 1_000_000


@dataclass(frozen=True)
class Layer:
    """One layer: its size uncompressed, what made it, and where its files are."""

    size: int
    made_by: str
    files: Path


def layers_of(reference: str) -> list[Layer]:
    """The layers of an image, lowest first."""
    document = _json("buildah", "inspect", "--type", "image", reference)["OCIv1"]
    steps = [
        step["created_by"]
        for step in document["history"]
        if not step.get("empty_layer")
    ]
    store = Path(_json("buildah", "info")["store"]["GraphRoot"])
    known = json.loads((store / "overlay-layers/layers.json").read_text())
    parts = {layer["id"]: layer for layer in known}
    # Two layers may have one content; which one an image has, the chain from its top says.
    top = _json("buildah", "images", "--json", reference)[0]["id"]
    images = json.loads((store / "overlay-images/images.json").read_text())
    place = next(image["layer"] for image in images if image["id"].startswith(top))
    chain: list[dict[str, Any]] = []
    while place:
        chain.insert(0, parts[place])
        place = parts[place].get("parent", "")
    return [
        Layer(
            part.get("diff-size", 0),
            _short(made_by),
            store / "overlay" / part["id"] / "diff",
        )
        for part, made_by in zip(chain, steps, strict=True)
    ]


def size_of(reference: str) -> int:
    """Bytes of all layers, uncompressed."""
    return sum(layer.size for layer in layers_of(reference))


def large_in(layer: Layer) -> list[tuple[int, str]]:
    """The largest folders of a layer, each at the depth where it is no longer mostly one folder."""
    sizes: dict[str, int] = {}
    children: dict[str, list[str]] = {}
    seen: set[int] = set()
    top = str(layer.files)
    for folder, folders, files in os.walk(top, topdown=False):
        # A link to a folder is named like one, and is not gone into.
        paths = [path for name in folders if (path := f"{folder}/{name}") in sizes]
        total = sum(_weigh(os.path.join(folder, name), seen) for name in files)
        sizes[folder] = total + sum(sizes[path] for path in paths)
        children[folder] = paths
    found = [_settle(path, sizes, children) for path in _spread(top, sizes, children)]
    named = {path.removeprefix(top): sizes[path] for path in found if path != top}
    ranked = sorted(((size, path) for path, size in named.items()), reverse=True)
    return [one for one in ranked if one[0] >= WORTH_NAMING][:SHOWN]


def _weigh(path: str, seen: set[int]) -> int:
    """The size of a file; one that has several names counts once."""
    found = os.lstat(path)
    if found.st_nlink > 1 and found.st_ino in seen:
        return 0
    seen.add(found.st_ino)
    return found.st_size


def _spread(
    top: str, sizes: dict[str, int], children: dict[str, list[str]]
) -> list[str]:
    """Folders two steps below the top: /usr/lib, /opt/jupyter, ..."""
    first = children.get(top, [])
    return [path for one in first for path in (children.get(one) or [one])]


def _settle(path: str, sizes: dict[str, int], children: dict[str, list[str]]) -> str:
    """Go down while one folder has most of what its parent has."""
    while inside := [
        one
        for one in children.get(path, [])
        if sizes.get(one, 0) > 0.8 * sizes.get(path, 0)
    ]:
        path = inside[0]
    return path


def _short(made_by: str) -> str:
    """The instruction, without buildah's own words."""
    words = made_by.removeprefix("/bin/sh -c ").removeprefix("#(nop) ")
    return " ".join(words.split())[:100]


def _json(*command: str) -> Any:
    return json.loads(subprocess.check_output(command, text=True))
