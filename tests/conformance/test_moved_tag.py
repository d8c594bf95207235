"""A tag that has moved since the desktop was started: its image is the one that it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from oci.client import RegistryClient
from oci.manifest import OCI_MANIFEST
from oci.reference import Digest
from tests.images import Image, archive, make_image

from .agents import Agent
from .nodes import BASE_NAME, Node, run
from .overlays import can_mount
from .test_saves import REPOSITORY

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


def move_tag(node: Node, folder: Path) -> None:
    """Somebody pulls another image under the name that the desktop was started by."""
    (folder / "tree/opt").mkdir(parents=True)
    (folder / "tree/opt/other").write_text("of another image")
    other = make_image([folder / "tree"])
    if node.fake is not None:
        node.fake.content |= other.blobs
        record = (OCI_MANIFEST, str(other.digest), len(other.manifest))
        node.fake.images[BASE_NAME] = record
        return
    path = archive(other, BASE_NAME, folder / "other.tar")
    run([*node.ctr, "images", "import", *node.local, str(path)])


def forget(node: Node, name: str) -> None:
    """Lose the record that CRI keeps by the configuration's digest."""
    if node.fake is not None:
        del node.fake.images[name]
    else:
        run([*node.ctr, "images", "rm", name])


async def test_the_image_that_was_started_is_below(
    node: Node, agent: Agent, image: Image, client: RegistryClient, tmp_path: Path
) -> None:
    move_tag(node, tmp_path / "other")
    (node.merged / "opt/new").write_text("new")
    result = await agent.result()
    manifest = await client.get_manifest(REPOSITORY, result["digest"])
    assert manifest is not None
    layers = [one["digest"] for one in manifest.json()["layers"]]
    assert layers[:-1] == [str(Digest.of(layer)) for layer in image.layers]
    node.check_alive()


async def test_no_other_is_taken_for_it(
    node: Node, agent: Agent, image: Image, tmp_path: Path
) -> None:
    """An image that was imported past CRI has only its name."""
    forget(node, str(image.config_digest))
    move_tag(node, tmp_path / "other")
    status = await agent.save()
    assert (status["state"], status["error"]["code"]) == ("failed", "base_unknown")
    assert agent.clean()
    node.check_alive()
