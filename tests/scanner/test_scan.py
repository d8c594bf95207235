"""The three steps as they run in a pod, with the real syft and grype."""

import base64
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.registry import FakeRegistry
from tests.fakes.vulnerabilities import Vulnerability, serving, write_database
from tests.scanner.conftest import debian, layer, push

KNOWN = [
    Vulnerability("CVE-2026-0001", "openssl", "critical", "3.0.20-1"),
    Vulnerability("CVE-2026-0002", "openssl", "low"),
    Vulnerability("CVE-2026-0003", "openssl", "high", "3.0.1-1"),
    Vulnerability("CVE-2026-0004", "curl", "critical", "9"),
]
"""The third was mended before the version that is in the image; curl is not in it."""


class Pod:
    """A pod that runs one step after the other, each with its own variables."""

    def __init__(self, work: Path, **variables: str) -> None:
        self.variables = {"WORK": str(work), "DATABASE": str(work / "database")}
        self.variables |= variables
        work.mkdir()

    def run(self, step: str, **more: str) -> dict[str, Any]:
        """Run a step; return its last line."""
        environment = {"PATH": os.environ["PATH"], **self.variables, **more}
        done = subprocess.run(
            [sys.executable, "-m", "image_scanner", step],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert (done.returncode == 0) == ("error" not in last), done.stderr
        return last


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the listing of a fresh database is."""
    folder = tmp_path / "feed"
    folder.mkdir()
    write_database(folder, KNOWN)
    with serving(folder) as url:
        yield url


def pod_of(registry: FakeRegistry, content: bytes, work: Path, **more: str) -> Pod:
    """Return the pod that scans an image of one layer."""
    reference = push(registry, content)
    return Pod(work, REFERENCE=reference, PLAIN_HTTP="127.0.0.1:*", **more)


def test_what_is_known_of_an_image_is_found(
    programs: Path, tmp_path: Path, address: str
) -> None:
    with FakeRegistry() as registry:
        content = debian(openssl="3.0.15-1", bash="5.2")
        pod = pod_of(registry, content, tmp_path / "work", DATABASE_URL=address)
        assert pod.run("fetch")["ended"] == "fetch"
    assert pod.run("database")["ended"] == "database"
    found = pod.run("scan")["result"]
    assert found["packages"] == 2
    ids = [(one["id"], one["severity"]) for one in found["findings"]]
    assert ids == [("CVE-2026-0001", "critical"), ("CVE-2026-0002", "low")]
    assert found["findings"][0]["fixed_in"] == "3.0.20-1"
    assert (found["counts"]["critical"], found["fixable"], found["total"]) == (1, 1, 2)
    age = datetime.now(UTC) - datetime.fromisoformat(found["database"])
    assert age < timedelta(minutes=10)
    sbom = json.loads(gzip.decompress(base64.b64decode(found["sbom"])))
    assert sbom["bomFormat"] == "CycloneDX"
    assert {"openssl", "bash"} <= {one["name"] for one in sbom["components"]}


def test_an_image_without_anything_known_has_a_result(
    programs: Path, tmp_path: Path, address: str
) -> None:
    with FakeRegistry() as registry:
        pod = pod_of(registry, debian(bash="5.2"), tmp_path / "work")
        pod.run("fetch")
    pod.run("database", DATABASE_URL=address)
    assert pod.run("scan")["result"]["total"] == 0


def test_a_database_that_is_not_there_is_an_error(
    programs: Path, tmp_path: Path
) -> None:
    pod = Pod(tmp_path / "work", SCAN_SECONDS="20")
    gone = pod.run("database", DATABASE_URL="http://127.0.0.1:9/latest.json")
    assert gone["error"]["code"] == "database_unreachable"
    assert pod.run("database")["error"]["code"] == "database_unreachable"


def test_a_database_that_is_too_old_is_an_error(programs: Path, tmp_path: Path) -> None:
    write_database(tmp_path, KNOWN, datetime.now(UTC) - timedelta(days=9))
    pod = Pod(tmp_path / "work")
    with serving(tmp_path) as url:
        told = pod.run("database", DATABASE_URL=url, DATABASE_DAYS="7")
        assert told["error"]["code"] == "database_old"
        assert "ended" in pod.run("database", DATABASE_URL=url, DATABASE_DAYS="10")


def test_a_database_in_a_volume_needs_no_address(
    programs: Path, tmp_path: Path, address: str
) -> None:
    Pod(tmp_path / "first").run("database", DATABASE_URL=address)
    volume = tmp_path / "first" / "database"
    for path in (volume, *volume.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with FakeRegistry() as registry:
        pod = pod_of(registry, debian(openssl="3.0.15-1"), tmp_path / "work")
        pod.run("fetch")
    assert "ended" in pod.run("database", DATABASE=str(volume))
    assert pod.run("scan", DATABASE=str(volume))["result"]["total"] == 2


@pytest.mark.parametrize(
    "content",
    [
        b"no archive at all",
        layer({"../../../../escaped": "x", "var/lib/dpkg/status": "Package: \0\n"}),
        layer(
            {"a.jar": "PK\x03\x04" + "\xff" * 1000, "b.rpm": "\xed\xab\xee\xdb" * 50}
        ),
    ],
)
def test_a_hostile_image_ends_with_a_word(
    programs: Path, tmp_path: Path, address: str, content: bytes
) -> None:
    with FakeRegistry() as registry:
        packed = content if content[:2] == b"\x1f\x8b" else gzip.compress(content)
        pod = pod_of(registry, packed, tmp_path / "work", DATABASE_URL=address)
        pod.run("fetch")
    pod.run("database")
    told = pod.run("scan", DISK_MEBIBYTES="100", SCAN_SECONDS="60")
    assert "result" in told or told["error"]["code"] == "scanner_failed"
    assert not list(tmp_path.rglob("escaped"))


def test_a_layer_that_unpacks_without_end_is_stopped(
    programs: Path, tmp_path: Path, address: str
) -> None:
    with FakeRegistry() as registry:
        bomb = layer({"zeros": "\0" * (64 << 20)})
        assert len(bomb) < 1 << 20
        pod = pod_of(registry, bomb, tmp_path / "work", DATABASE_URL=address)
        pod.run("fetch")
    pod.run("database")
    told = pod.run("scan", DISK_MEBIBYTES="16")
    assert told["error"]["code"] == "scanner_failed"
    largest = max(one.stat().st_size for one in tmp_path.rglob("*") if one.is_file())
    assert largest <= 16 << 20
