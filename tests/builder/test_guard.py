"""The rules that close a build's network. tests/cluster tries them from inside a build."""

import shutil
import subprocess

import pytest

from image_builder.errors import BuildError
from image_builder.guard import (
    PRIVATE,
    Opening,
    nameservers,
    own_addresses,
    resolved,
    rules,
)


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_everything_private_is_refused_after_what_is_allowed() -> None:
    text = rules(PRIVATE, ["10.96.0.10"], [Opening("10.97.0.1", 5000)])
    lines = lines_of(text)
    refused = [line for line in lines if line.endswith("reject")]
    assert len(refused) == len(PRIVATE)
    assert "ip daddr 169.254.0.0/16 reject" in refused
    assert "ip6 daddr fc00::/7 reject" in refused
    first = lines.index(refused[0])
    for allowed in (
        "ip daddr 10.96.0.10 udp dport 53 accept",
        "ip daddr 10.97.0.1 tcp dport 5000 accept",
    ):
        assert lines.index(allowed) < first


def test_the_api_server_and_the_node_are_refused_wherever_they_are() -> None:
    environment = {
        "KUBERNETES_SERVICE_HOST": "203.0.113.7",
        "HOST_IPS": "198.51.100.1,2001:db8::1",
    }
    text = rules(own_addresses(environment), [], [])
    assert "ip daddr 203.0.113.7 reject" in text
    assert "ip6 daddr 2001:db8::1 reject" in text


def test_the_rules_are_what_nft_reads() -> None:
    if not shutil.which("nft"):
        pytest.skip("needs nft: apt install nftables")
    text = rules(
        [*PRIVATE, "2001:db8::1"], ["10.0.0.1", "fd00::1"], [Opening("::1", 5)]
    )
    done = subprocess.run(
        ["nft", "--check", "--file", "-"], input=text, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_name_servers_are_read_with_and_without_a_zone() -> None:
    text = "search a b\nnameserver 10.0.0.1\n# nameserver 1.1.1.1\nnameserver fe80::1%eth0\n"
    assert nameservers(text) == ["10.0.0.1", "fe80::1"]


def test_an_address_that_cannot_be_found_ends_the_build() -> None:
    assert resolved("127.0.0.1:5000") == [Opening("127.0.0.1", 5000)]
    with pytest.raises(BuildError) as caught:
        resolved("no-such-host.invalid:5000")
    assert caught.value.code == "guard_failed"
