"""The cases as data: all of them in one image, saved, pushed, pulled and unpacked by others.

On plain overlay mounts, on containerd 1.6 and on containerd 2; into a real registry. What each
containerd and umoci make of the saved image is compared with what was there.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from oci.client import RegistryClient
from tests.images import Image
from tests.trees import Node as TreeNode
from tests.trees import differences, snapshot

from . import containerds
from .agents import Agent, running_agent
from .cases import CASES
from .cases_image import SCRIPT, cases_image
from .containerds import find_containerd, find_old_containerd
from .nodes import Node, fake_node, real_node, run
from .overlays import can_mount
from .registries import MISSING, RegistryServer, find_registry, real_registry
from .steps import carry_out
from .test_saves import REPOSITORY, SKIPPED
from .unpackers import pulled, unpacked_by_umoci

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    """The real one: a fake believes what it is told."""
    binary = find_registry()
    if binary is None:
        pytest.skip(MISSING)
    with real_registry(tmp_path, binary) as server:
        yield server


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return cases_image(tmp_path)


@pytest.fixture(params=["plain", "1.6", "2"])
def node(
    request: pytest.FixtureRequest, image: Image, tmp_path: Path
) -> Iterator[Node]:
    folder = tmp_path / "node"
    folder.mkdir()
    if request.param == "plain":
        with fake_node(folder, image) as made:
            yield made
        return
    old = request.param == "1.6"
    release = find_old_containerd() if old else find_containerd()
    if release is None:
        pytest.skip(containerds.MISSING_OLD if old else containerds.MISSING)
    with real_node(folder, image, release=release) as made:
        yield made


@pytest.fixture
async def agent(
    node: Node, registry: RegistryServer, tmp_path: Path
) -> AsyncIterator[Agent]:
    async with running_agent(node, registry.url, tmp_path / "agent") as made:
        yield made


def check(there: dict[str, TreeNode], got: Path, who: str) -> None:
    told = differences(there, snapshot(got, SKIPPED))
    assert not told, f"by {who}:\n" + "\n".join(told)


def check_writable(node: Node) -> None:
    """Create, rename, chmod and delete in every directory, whichever layer it is from."""
    walked = list(os.walk(node.merged))
    assert len(walked) > 100
    for folder, _, names in walked:
        probe = Path(folder, "probe")
        probe.write_text("x")
        probe.chmod(0o600)
        probe.rename(probe.with_name("probed")).unlink()
        probe.mkdir()
        probe.rename(probe.with_name("probed")).rmdir()
        # Files of the image itself: changed in place, renamed, deleted and made again.
        for path in [Path(folder, name) for name in names if name in ("f", "file")]:
            if path.is_symlink() or not path.is_file():
                continue
            content = path.read_bytes()
            path.chmod(0o640)
            path.rename(path.with_name("renamed")).unlink()
            path.write_bytes(content)
    if node.fake is None:
        run([*node.ctr, "tasks", "exec", "--exec-id", "probe", node.container_id,
             "/bin/busybox", "sh", "-c", SCRIPT])  # fmt: skip


async def test_every_case(
    node: Node,
    agent: Agent,
    registry: RegistryServer,
    client: RegistryClient,
    tmp_path: Path,
) -> None:
    # As a person makes it: through the overlay that the container sees.
    for case in CASES:
        place = node.merged / "cases" / case.name
        carry_out(place, case.session)
    first = await agent.result()
    for case in CASES:
        carry_out(node.merged / "cases" / case.name, case.late)
    second = await agent.result(number=2)
    there = snapshot(node.merged, SKIPPED)
    for result, number in ((first, 1), (second, 2)):
        assert result["changed_while_saved"] == [], number
    digest = second["digest"]
    umoci = await unpacked_by_umoci(client, REPOSITORY, digest, tmp_path / "umoci")
    check(there, umoci, "umoci")
    reference = f"{registry.host}/{REPOSITORY}:v2"
    if node.fake is None:
        check(there, pulled(node, reference, tmp_path / "pulled"), "containerd")
    check_writable(node)
