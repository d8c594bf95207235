"""What the driver reads from and writes to the machine, on folders that only look like it."""

import json
import os
from pathlib import Path

import pytest

from devcluster.binaries import BUILDS, TOOLS, Build
from devcluster.cgroup import Cgroup, pids
from devcluster.leftovers import pod_links
from devcluster.mounts import mounts_below
from devcluster.network import SWITCHES, Switches

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /state/data/kubelet/pods/1/volumes/token tmpfs rw 0 0
overlay /state/run/containerd/rootfs overlay rw 0 0
tmpfs /state/with\\040space tmpfs rw 0 0
tmpfs /state-of-another tmpfs rw 0 0
"""


def test_mounts_are_found_inside_the_folder_only_youngest_first() -> None:
    assert mounts_below(MOUNTS, Path("/state")) == [
        "/state/with space",
        "/state/run/containerd/rootfs",
        "/state/data/kubelet/pods/1/volumes/token",
    ]


def test_switches_are_set_and_put_back(tmp_path: Path) -> None:
    root = tmp_path / "proc"
    for name in (*SWITCHES, "vm/overcommit_memory"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("0\n")
    switches = Switches(tmp_path / "memory.json", root)

    switches.set()
    (root / "vm/overcommit_memory").write_text("1\n")  # as the kubelet does
    switches.set()  # a second start must not take our own values for the machine's

    assert (root / "net/ipv4/ip_forward").read_text() == "1"
    switches.restore()
    assert (root / "net/ipv4/ip_forward").read_text() == "0\n"
    assert (root / "vm/overcommit_memory").read_text() == "0\n"
    switches.restore()  # nothing left to do


def test_the_pods_links_are_told_by_their_address() -> None:
    addresses = [
        {"ifname": "eth0", "addr_info": [{"local": "192.0.2.2"}]},
        {
            "ifname": "veth1234",
            "addr_info": [{"local": "10.244.0.1"}, {"local": "fe80::1"}],
        },
        {"ifname": "veth5678", "addr_info": []},
        {},
    ]

    assert pod_links(json.dumps(addresses)) == ["veth1234"]


def hierarchy(folder: Path, *files: str) -> None:
    folder.mkdir(parents=True)
    for name in ("cgroup.procs", *files):
        (folder / name).write_text("0\n" if name.startswith("cpuset") else "")


def test_version_one_has_a_tree_in_every_hierarchy(tmp_path: Path) -> None:
    for name in ("memory", "cpu,cpuacct", "cpuset"):
        hierarchy(tmp_path / name)
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")

    roots = Cgroup(tmp_path).roots()

    assert roots == [
        tmp_path / "cpu,cpuacct/devcluster",
        tmp_path / "cpuset/devcluster",
        tmp_path / "memory/devcluster",
    ]


def test_version_two_has_one(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")

    assert Cgroup(tmp_path).roots() == [tmp_path / "devcluster"]


def test_a_group_that_is_not_there_has_no_processes_and_is_removed_at_once(
    tmp_path: Path,
) -> None:
    hierarchy(tmp_path / "memory")
    cgroup = Cgroup(tmp_path)

    assert cgroup.processes() == set()
    assert cgroup.memory() is None
    cgroup.end_processes(patience=0)
    cgroup.remove()


def test_processes_are_counted_once_and_below_a_folder_on_demand(
    tmp_path: Path,
) -> None:
    for name in ("memory", "pids"):
        hierarchy(tmp_path / name)
        hierarchy(tmp_path / name / "devcluster/system")
        hierarchy(tmp_path / name / "devcluster/kubepods/pod1")
        (tmp_path / name / "devcluster/system/cgroup.procs").write_text("10\n11\n")
        (tmp_path / name / "devcluster/kubepods/pod1/cgroup.procs").write_text("12\n")
    cgroup = Cgroup(tmp_path)

    assert cgroup.processes() == {10, 11, 12}
    assert cgroup.processes("kubepods") == {12}


def test_a_build_is_known_by_what_made_it() -> None:
    one = Build("tool", "seconds", packages=["example.org/tool"], version="v1")

    assert (
        one.digest()
        == Build("tool", "hours", packages=["example.org/tool"], version="v1").digest()
    )
    assert (
        one.digest()
        != Build(
            "tool", "seconds", packages=["example.org/tool"], version="v2"
        ).digest()
    )
    assert len({build.digest() for build in [*BUILDS, *TOOLS]}) == len(BUILDS) + len(
        TOOLS
    )
    assert os.path.basename(one.arguments(Path("/out"))[-1]) == "tool@v1"


def test_a_group_that_goes_while_it_is_read_has_nobody() -> None:
    roots = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")]
    root = next(
        (one for one in roots if os.access(one / "cgroup.procs", os.W_OK)), None
    )
    if root is None:
        pytest.skip("needs root, and control groups that can be written")
    folder = root / f"test-{os.getpid()}"
    folder.mkdir()
    with (folder / "cgroup.procs").open() as file:
        folder.rmdir()
        assert pids(file) == []
