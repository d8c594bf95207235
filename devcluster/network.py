"""The node's link and the kernel switches that a node needs.

The link is a veth pair of which both ends stay here: not every kernel has dummy links. Its address
is the node's, and the route of the Services ends on it, so that a packet to a Service that does not
exist never leaves the machine.
"""

from __future__ import annotations

import json
from pathlib import Path

from devcluster.command import run, succeeds
from devcluster.settings import NODE_ADDRESS, NODE_NETWORK, SERVICE_NETWORK

LINK = "devcluster0"
PEER = "devcluster1"

SWITCHES = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/route_localnet": "1"}
"""Set by us: kube-proxy serves NodePorts on 127.0.0.1 only with the second."""

TOUCHED = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
    "net/netfilter/nf_conntrack_tcp_timeout_established",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""Set by kubelet and kube-proxy; remembered too, so that `down` puts them back."""


class Switches:
    """Kernel settings with a memory of what they were before."""

    def __init__(self, memory: Path, root: Path = Path("/proc/sys")) -> None:
        self._memory = memory
        self._root = root

    def set(self) -> None:
        """Remember the present values, unless an earlier start did, and set ours."""
        if not self._memory.exists():
            names = [*SWITCHES, *TOUCHED]
            before = {
                n: (self._root / n).read_text()
                for n in names
                if (self._root / n).exists()
            }
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            self._memory.write_text(json.dumps(before))
        for name, value in SWITCHES.items():
            (self._root / name).write_text(value)

    def restore(self) -> None:
        """Put back what was there before."""
        if not self._memory.exists():
            return
        for name, value in json.loads(self._memory.read_text()).items():
            # Some (conntrack's) exist only while their module is loaded.
            if (self._root / name).exists():
                (self._root / name).write_text(value)
        self._memory.unlink()


def ensure_link() -> None:
    """Make the node's link with its address and the route of the Services."""
    if not succeeds(["ip", "link", "show", LINK]):
        run(["ip", "link", "add", LINK, "type", "veth", "peer", "name", PEER])
    run(
        [
            "ip",
            "address",
            "replace",
            f"{NODE_ADDRESS}/{NODE_NETWORK.split('/')[1]}",
            "dev",
            LINK,
        ]
    )
    for name in (LINK, PEER):
        run(["ip", "link", "set", name, "up"])
    run(["ip", "route", "replace", SERVICE_NETWORK, "dev", LINK])


def remove_link() -> None:
    """Take the link away, and the address and route with it."""
    if succeeds(["ip", "link", "show", LINK]):
        run(["ip", "link", "delete", LINK])
