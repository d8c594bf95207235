"""The packet rules: three chains of our own, and the removal of all that Kubernetes adds.

Pods are masqueraded by one chain here and not by the network plugin, which would make a chain a
pod and leave it behind when it is killed.
"""

from __future__ import annotations

import re

from devcluster.command import run
from devcluster.settings import NODE_NETWORK, POD_NETWORK, SERVICE_NETWORK

OWN_CHAINS = re.compile(r"^(KUBE-|DEVCLUSTER-)")
PROGRAMS = ("iptables", "ip6tables")

_OURS = f"""\
*mangle
:DEVCLUSTER-PREROUTING - [0:0]
-A DEVCLUSTER-PREROUTING -i lo -j RETURN
-A DEVCLUSTER-PREROUTING -s {POD_NETWORK} -j RETURN
-A DEVCLUSTER-PREROUTING -d {NODE_NETWORK} -j DROP
-A DEVCLUSTER-PREROUTING -d {POD_NETWORK} -j DROP
-A DEVCLUSTER-PREROUTING -d {SERVICE_NETWORK} -j DROP
-I PREROUTING -j DEVCLUSTER-PREROUTING
COMMIT
*nat
:DEVCLUSTER-POSTROUTING - [0:0]
-A DEVCLUSTER-POSTROUTING -s {POD_NETWORK} ! -d {POD_NETWORK} -j MASQUERADE
-A POSTROUTING -j DEVCLUSTER-POSTROUTING
COMMIT
*filter
:DEVCLUSTER-FORWARD - [0:0]
-A DEVCLUSTER-FORWARD -s {POD_NETWORK} -j ACCEPT
-A DEVCLUSTER-FORWARD -d {POD_NETWORK} -j ACCEPT
-I FORWARD -j DEVCLUSTER-FORWARD
COMMIT
"""
"""Nobody outside may reach a pod, a Service or the node's address by routing through this machine:
the cluster's registry has no password. Pods go out, and are answered, under the machine's address,
which is why the answers pass the first chain; the last one opens a firewall that forwards nothing.
"""


def removal(saved: str) -> str:
    """From `iptables-save` make what `iptables-restore --noflush` needs to take our chains away.

    Rules and chains of others stay as they are; the answer is empty when nothing is ours.
    """
    script: list[str] = []
    for table in re.findall(r"^\*(\w+)\n(.*?)^COMMIT", saved, re.MULTILINE | re.DOTALL):
        name, body = table
        chains = [
            c for c in re.findall(r"^:(\S+)", body, re.MULTILINE) if OWN_CHAINS.match(c)
        ]
        if not chains:
            continue
        rules = re.findall(r"^-A (\S+) (.*)$", body, re.MULTILINE)
        jumps = [
            f"-D {chain} {rule}"
            for chain, rule in rules
            if not OWN_CHAINS.match(chain) and _target(rule) in chains
        ]
        flushes = [f"-F {chain}" for chain in chains]
        deletions = [f"-X {chain}" for chain in chains]
        script += [f"*{name}", *jumps, *flushes, *deletions, "COMMIT"]
    return "".join(f"{line}\n" for line in script)


def _target(rule: str) -> str | None:
    found = re.search(r"(?:-j|-g) (\S+)", rule)
    return found.group(1) if found else None


def ensure_rules() -> None:
    """Put our rules in place, once."""
    if "DEVCLUSTER-POSTROUTING" not in run(["iptables-save", "-t", "nat"]):
        run(["iptables-restore", "--noflush", "--wait"], text=_OURS)


def remove_rules() -> None:
    """Take away our rules and those that the cluster's components made."""
    for program in PROGRAMS:
        script = removal(run([f"{program}-save"]))
        if script:
            run([f"{program}-restore", "--noflush", "--wait"], text=script)
