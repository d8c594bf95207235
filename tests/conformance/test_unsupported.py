"""What cannot be saved exactly is refused: the real thing where it can be made here.

What is recorded instead (gVisor, Kata, fuse-overlayfs, ...) stands in docs/security.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from snapshot_agent.capture.container import overlay_directories
from snapshot_agent.capture.containerd import Mount
from snapshot_agent.capture.preflight import check_capabilities
from snapshot_agent.errors import UnsupportedContainer
from snapshot_agent.not_ready import NotReady
from snapshot_agent.tree.overlay import Strange
from tests.images import Image

from . import containerds
from .agents import running_agent
from .containerds import find_containerd, find_old_containerd
from .nodes import Node, fake_node, real_node, run
from .overlays import Overlay, Saver, can_mount
from .registries import fake_registry

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@contextmanager
def mounted_with(folder: Path, options: str) -> Iterator[Overlay]:
    """An overlay with further options of the kernel."""
    made = Overlay(folder / "mount", [folder / "low"])
    (folder / "low/etc/deep").mkdir(parents=True)
    (folder / "low/etc/deep/file").write_text("of the image" * 1000)
    for place in (made.upper, made.merged, made.base / "work"):
        place.mkdir(parents=True)
    layers = f"lowerdir={folder / 'low'},upperdir={made.upper}"
    whole = f"{options},{layers},workdir={made.base / 'work'}"
    run(["mount", "-t", "overlay", "overlay", "-o", whole, str(made.merged)])
    try:
        yield made
    finally:
        run(["umount", str(made.merged)])


def refused(mounted: Overlay, folder: Path, match: str) -> None:
    saver = Saver(mounted, folder)
    try:
        with pytest.raises(Strange, match=match):
            saver.first()
    finally:
        saver.close()


def test_a_directory_that_the_kernel_has_redirected(tmp_path: Path) -> None:
    with mounted_with(tmp_path, "redirect_dir=on") as mounted:
        # Without redirect_dir the kernel would not rename it at all.
        (mounted.merged / "etc/deep").rename(mounted.merged / "etc/moved")
        refused(mounted, tmp_path / "spool", "trusted.overlay.redirect")


@pytest.mark.parametrize("size", [1, 12_000, 10_000_000])
def test_a_file_of_which_the_kernel_has_copied_the_metadata_only(
    tmp_path: Path, size: int
) -> None:
    """A small one fills as many blocks as it should: with its attributes."""
    (tmp_path / "low/etc").mkdir(parents=True)
    (tmp_path / "low/etc/sized").write_bytes(b"x" * size)
    with mounted_with(tmp_path, "metacopy=on,redirect_dir=on") as mounted:
        (mounted.merged / "etc/sized").chmod(0o600)
        assert b"x" not in (mounted.upper / "etc/sized").read_bytes()
        refused(mounted, tmp_path / "spool", "trusted.overlay.metacopy")


def test_metadata_only_in_the_second_pass(tmp_path: Path) -> None:
    with mounted_with(tmp_path, "metacopy=on,redirect_dir=on") as mounted:
        (mounted.merged / "etc/new").write_text("new")
        saver = Saver(mounted, tmp_path / "spool")
        try:
            saver.first()
            (mounted.merged / "etc/deep/file").chmod(0o600)
            with pytest.raises(Strange, match="metacopy"):
                saver.second()
        finally:
            saver.close()


PLAIN = ["workdir=/w", "upperdir=/u", "lowerdir=/l1:/l2"]


@pytest.mark.parametrize(
    "option",
    [
        "redirect_dir=on",
        "redirect_dir=follow",
        "metacopy=on",
        "index=on",
        "userxattr",
        "nfs_export=on",
        "uuid=on",
        "verity=require",
        "lowerdir+=/l3",
        "datadir+=/data",
        "uidmap=0:1000:65536",
        "gidmap=0:1000:65536",
        "something-new",
        "something=new",
    ],
)
def test_options_that_are_not_known_are_never_guessed(option: str) -> None:
    with pytest.raises(UnsupportedContainer) as refusal:
        overlay_directories([Mount("overlay", "overlay", (option, *PLAIN))])
    assert refusal.value.details == {"why": "mount_option"}
    assert option.partition("=")[0] in refusal.value.message
    assert "unharmed" in refusal.value.message


@pytest.mark.parametrize("option", ["index=off", "metacopy=off", "volatile", "rw"])
def test_options_that_change_nothing(option: str) -> None:
    found = overlay_directories([Mount("overlay", "overlay", (option, *PLAIN))])
    assert found == ("/u", ("/l1", "/l2"))


@pytest.mark.parametrize(
    "mounts",
    [
        # As containerd answers for its native, btrfs, zfs, devmapper, erofs snapshotters and for
        # fuse-overlayfs; two mounts, as of erofs with a writable block of its own; and none.
        [Mount("bind", "/var/lib/containerd/native/1", ("rbind", "rw"))],
        [Mount("btrfs", "/dev/sda1", ("subvolid=260", "rw"))],
        [Mount("zfs", "tank/containerd/1", ())],
        [Mount("ext4", "/dev/mapper/pool-snap-1", ())],
        [Mount("fuse3.fuse-overlayfs", "overlay", tuple(PLAIN))],
        [Mount("erofs", "/l", ("ro",)), Mount("overlay", "overlay", tuple(PLAIN))],
        [Mount("format/mkdir/overlay", "overlay", tuple(PLAIN))],
        [Mount("overlay", "overlay", ("lowerdir=/l1:/l2",))],
        [],
    ],
)
def test_filesystems_that_are_not_one_overlay(mounts: list[Mount]) -> None:
    with pytest.raises(UnsupportedContainer) as refusal:
        overlay_directories(mounts)
    assert refusal.value.details == {"why": "snapshotter"}


async def why(node: Node, folder: Path) -> str:
    """The reason for which the desktop of the node is refused; it goes on as before."""
    with fake_registry() as registry:
        async with running_agent(node, registry.url, folder) as agent:
            answer = await agent.start()
            assert answer["error"]["code"] == "unsupported_container", answer
            assert "unharmed" in answer["error"]["message"]
            assert agent.clean()
            return str(answer["error"]["details"]["why"])


@pytest.fixture(params=["1.6", "2"])
def release(request: pytest.FixtureRequest) -> containerds.Release:
    old = request.param == "1.6"
    found = find_old_containerd() if old else find_containerd()
    if found is None:
        pytest.skip(containerds.MISSING_OLD if old else containerds.MISSING)
    return found


async def test_a_real_container_on_a_snapshotter_without_layers(
    release: containerds.Release, image: Image, tmp_path: Path
) -> None:
    options = ("--snapshotter", "native")
    with real_node(tmp_path, image, release=release, options=options) as node:
        assert await why(node, tmp_path / "agent") == "snapshotter"


@pytest.mark.parametrize("remap", [(), ("--remap-labels",)], ids=["copied", "noted"])
async def test_a_real_container_in_a_user_namespace(
    release: containerds.Release, image: Image, tmp_path: Path, remap: tuple[str, ...]
) -> None:
    """Its files belong to shifted users, whether containerd has noted that or copied all layers."""
    options = ("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536", *remap)
    with real_node(tmp_path, image, release=release, options=options) as node:
        assert await why(node, tmp_path / "agent") == "user_namespace"


async def test_a_real_container_under_another_program_than_runc(
    release: containerds.Release, image: Image, tmp_path: Path
) -> None:
    """containerd calls it runc, too: only its options say which program it starts."""
    runc = shutil.which("runc")
    assert runc is not None
    program = tmp_path / "runsc"
    program.symlink_to(runc)
    options = ("--runc-binary", str(program))
    with real_node(tmp_path, image, release=release, options=options) as node:
        assert await why(node, tmp_path / "agent") == "runtime"


@pytest.mark.parametrize(
    "runtime",
    [
        "io.containerd.runsc.v1",
        "io.containerd.kata.v2",
        "io.containerd.kata-qemu.v2",
        "io.containerd.wasmtime.v1",
        "io.containerd.runhcs.v1",
        "",
    ],
)
async def test_runtimes_that_keep_changes_elsewhere(
    runtime: str, image: Image, tmp_path: Path
) -> None:
    with fake_node(tmp_path, image) as node:
        assert node.fake is not None
        node.fake.containers[node.container_id].runtime = runtime
        assert await why(node, tmp_path / "agent") == "runtime"
        assert node.fake.calls == []


async def test_a_user_namespace_that_only_the_specification_tells(
    image: Image, tmp_path: Path
) -> None:
    with fake_node(tmp_path, image) as node:
        assert node.fake is not None
        spec = node.fake.containers[node.container_id].spec
        spec["linux"] = {"namespaces": [{"type": "mount"}, {"type": "user"}]}
        assert await why(node, tmp_path / "agent") == "user_namespace"


@pytest.mark.parametrize(
    ("dropped", "named"), [("sys_admin", "SYS_ADMIN"), ("dac_read_search,-dac_override", "DAC_")]
)  # fmt: skip
def test_an_agent_without_its_capabilities_does_not_start(
    dropped: str, named: str
) -> None:
    drop = f"-{dropped}"
    command = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}", "cat"]
    shown = subprocess.run(
        [*command, "/proc/self/status"], capture_output=True, text=True, check=True
    )
    with pytest.raises(NotReady, match=named):
        check_capabilities(shown.stdout)


def test_attributes_are_hidden_without_the_capability(tmp_path: Path) -> None:
    """Why the agent must not start without it: a deleted folder would look like a new one."""
    os.setxattr(tmp_path, "trusted.overlay.opaque", b"y")
    command = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    shown = subprocess.run(
        [*command, "python3", "-c", f"import os; print(os.listxattr({str(tmp_path)!r}))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "trusted.overlay.opaque" in os.listxattr(tmp_path)
    assert "trusted" not in shown.stdout
