"""What a cluster leaves on the machine, and the removal of all of it.

Everything here works on what it finds, not on what was recorded: it clears up after a killed
command or a machine that lost its power as well as after a running cluster.
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path

from devcluster.cgroup import Cgroup
from devcluster.command import run
from devcluster.component import socket_ready
from devcluster.iptables import remove_rules
from devcluster.mounts import unmount_below
from devcluster.network import Switches, remove_link
from devcluster.node import NETWORK
from devcluster.settings import Settings

CONTAINER_LOG_LINKS = Path("/var/log/containers")
"""The kubelet links every log there, wherever the logs themselves are."""

NETWORK_RESULTS = Path("/var/lib/cni")
"""Where the network library keeps what plugins answered; containerd cannot move it."""

SHIM_SOCKETS = Path("/run/containerd/s")
"""containerd's shims listen there, wherever its own socket is."""


def sweep(settings: Settings, cgroup: Cgroup) -> None:
    """Remove every process, mount, link, packet rule and control group of the cluster.

    The data folder stays: `up` goes on from it, as after a restart of the machine.
    """
    cgroup.end_processes(patience=2)
    unmount_below(settings.state)
    remove_rules()
    _remove_pod_links()
    remove_link()
    _remove_cgroup(cgroup)
    _remove_log_links(settings)
    _remove_network_results()
    _remove_shim_sockets()
    Switches(settings.state / "switches.json").restore()
    shutil.rmtree(settings.run, ignore_errors=True)


def pod_links(addresses: str) -> list[str]:
    """The machine's ends of the pods' links, from the JSON of `ip address`."""
    return [
        str(link["ifname"])
        for link in json.loads(addresses)
        if any(
            address.get("local") == "10.244.0.1"
            for address in link.get("addr_info", [])
        )
    ]


def _remove_pod_links() -> None:
    """Usually gone with the pod's namespace, but the kernel takes its time with that."""
    for _ in range(50):
        links = pod_links(run(["ip", "-json", "address"]))
        if not links:
            return
        for name in links:
            run(["sh", "-c", 'ip link delete "$0" 2>/dev/null || true', name])
        time.sleep(0.1)


def _remove_cgroup(cgroup: Cgroup) -> None:
    """A group of a process that has just ended is busy for a moment longer."""
    for attempt in range(50):
        try:
            return cgroup.remove()
        except OSError:
            if attempt == 49:
                raise
            time.sleep(0.1)


def _remove_log_links(settings: Settings) -> None:
    if not CONTAINER_LOG_LINKS.is_dir():
        return
    for link in CONTAINER_LOG_LINKS.iterdir():
        if link.is_symlink() and str(link.readlink()).startswith(f"{settings.state}/"):
            link.unlink()
    _remove_empty(CONTAINER_LOG_LINKS)


def _remove_network_results() -> None:
    """Ours carry the network's name; the loopback's, which every network has, the same pod's id."""
    folder = NETWORK_RESULTS / "results"
    if folder.is_dir():
        for file in folder.glob(f"{NETWORK}-*-eth0"):
            pod = file.name.removeprefix(f"{NETWORK}-").removesuffix("-eth0")
            (folder / f"cni-loopback-{pod}-lo").unlink(missing_ok=True)
            file.unlink()
    for empty in (folder, NETWORK_RESULTS / "cache", NETWORK_RESULTS):
        _remove_empty(empty)


def _remove_shim_sockets() -> None:
    """Sockets that nobody listens on; another containerd's shims answer and are left alone."""
    if SHIM_SOCKETS.is_dir():
        for file in SHIM_SOCKETS.iterdir():
            if file.is_socket() and not socket_ready(file)():
                file.unlink()
    for empty in (SHIM_SOCKETS, SHIM_SOCKETS.parent):
        _remove_empty(empty)


def _remove_empty(folder: Path) -> None:
    """Also when it was there before us; not when it is in use, or a mount of the machine."""
    with suppress(OSError):
        folder.rmdir()
