"""What a cluster leaves on the machine, and the removal of all of it.

Everything here works on what it finds, not on what was recorded: it clears up after a killed
command or a machine that lost its power as well as after a running cluster.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from devcluster.cgroup import Cgroup
from devcluster.command import run
from devcluster.iptables import remove_rules
from devcluster.mounts import unmount_below
from devcluster.network import Switches, remove_link
from devcluster.node import NETWORK
from devcluster.settings import Settings

CONTAINER_LOG_LINKS = Path("/var/log/containers")
"""The kubelet links every log there, wherever the logs themselves are."""

NETWORK_RESULTS = Path("/var/lib/cni")
"""Where the network library keeps what plugins answered; containerd cannot move it."""


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
    Switches(settings.state / "switches.json").restore()
    shutil.rmtree(settings.run, ignore_errors=True)


def pod_links(addresses: str) -> list[str]:
    """The machine's ends of the pods' links, from the JSON of `ip address`."""
    return [
        str(link["ifname"])
        for link in json.loads(addresses)
        if any(address.get("local") == "10.244.0.1" for address in link.get("addr_info", []))
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
    for folder in (NETWORK_RESULTS / "results", NETWORK_RESULTS / "cache"):
        if folder.is_dir():
            for file in folder.glob(f"{NETWORK}-*"):
                file.unlink()
            _remove_empty(folder)
    _remove_empty(NETWORK_RESULTS)


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
