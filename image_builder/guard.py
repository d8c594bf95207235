"""Step 2: closes the pod's network to everything but the outside, the registry and names.

The rules stand in the pod's own network namespace, so they hold on clusters whose network heeds no
NetworkPolicy as well. The step has NET_ADMIN; the build that follows has not, nor has the user
namespace that it makes any right over this network namespace.
"""

import ipaddress
import json
import os
import socket
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from image_builder.errors import BuildError

PRIVATE = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
)
"""Where pods, services, nodes and the metadata address of clouds are."""


@dataclass(frozen=True)
class Opening:
    """An address and a port that a build may reach although they are among the forbidden."""

    address: str
    port: int


def guard() -> None:
    """Set the rules, or end with BuildError: no build ever runs without them."""
    settings = json.loads(os.environ.get("GUARD", "{}"))
    forbidden = [*PRIVATE, *settings.get("forbidden", ())]
    forbidden += own_addresses(os.environ)
    names = nameservers(Path("/etc/resolv.conf").read_text())
    openings = [
        one for where in settings.get("openings", ()) for one in resolved(where)
    ]
    text = rules(forbidden, names, openings)
    result = subprocess.run(
        ["nft", "--file", "-"], input=text, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BuildError(
            "guard_failed",
            "The network of the build cannot be closed, so it does not run.",
            why=result.stderr[-2000:],
        )


def rules(
    forbidden: Iterable[str], names: Iterable[str], openings: Sequence[Opening]
) -> str:
    """Return the rules as nft reads them (pure)."""
    lines = ["oifname lo accept", "ct state established,related accept"]
    for address in names:
        where = f"{_family(address)} daddr {address}"
        lines += [f"{where} udp dport 53 accept", f"{where} tcp dport 53 accept"]
    for one in openings:
        lines.append(
            f"{_family(one.address)} daddr {one.address} tcp dport {one.port} accept"
        )
    for network in dict.fromkeys(forbidden):
        lines.append(f"{_family(network)} daddr {network} reject")
    body = "\n    ".join(lines)
    return f"""table inet desktops_guard {{
  chain out {{
    type filter hook output priority 0; policy accept;
    {body}
  }}
}}
"""


def nameservers(resolv_conf: str) -> list[str]:
    """Return the addresses of the name servers (pure)."""
    words = [line.split() for line in resolv_conf.splitlines()]
    return [
        two[1].partition("%")[0]
        for two in words
        if len(two) > 1 and two[0] == "nameserver"
    ]


def own_addresses(environment: "os._Environ[str] | dict[str, str]") -> list[str]:
    """Return the API server's and the node's addresses, which need not be private ones."""
    found = [environment.get("KUBERNETES_SERVICE_HOST", "")]
    found += environment.get("HOST_IPS", "").split(",")
    return [address for address in found if address]


def resolved(where: str) -> list[Opening]:
    """Return the addresses behind `host:port`, or raise BuildError."""
    host, _, port = where.rpartition(":")
    try:
        answers = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise BuildError(
            "guard_failed", f"The address of {where} cannot be found.", why=str(error)
        ) from error
    return [Opening(str(answer[4][0]), int(port)) for answer in answers]


def _family(address: str) -> str:
    return "ip6" if ipaddress.ip_network(address, strict=False).version == 6 else "ip"
