"""What is taken over of what grype says."""

import base64
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from image_scanner.errors import ScanError
from image_scanner.report import LENGTH, LISTED, packed, read_json, summary


def match(id: str, severity: str, package: str = "apt", fix: str = "") -> Any:
    """Return one match as grype writes it."""
    state = {"state": "fixed", "versions": [fix]} if fix else {"state": "wont-fix"}
    return {
        "vulnerability": {"id": id, "severity": severity, "fix": state},
        "relatedVulnerabilities": [{"id": f"{id}-alias"}, {"id": id}],
        "artifact": {"name": package, "version": "1.0", "type": "deb"},
    }


def test_the_worst_comes_first_and_what_can_be_mended_before_what_cannot() -> None:
    report = [
        match("CVE-1", "Low", fix="2"),
        match("CVE-2", "Critical"),
        match("CVE-3", "Critical", fix="2"),
        match("CVE-4", "Strange"),
    ]
    found = summary({"matches": report})
    order = [one["id"] for one in found["findings"]]
    assert order == ["CVE-3", "CVE-2", "CVE-1", "CVE-4"]
    assert found["counts"] == {
        "critical": 2,
        "high": 0,
        "medium": 0,
        "low": 1,
        "negligible": 0,
        "unknown": 1,
    }
    assert (found["fixable"], found["total"]) == (2, 4)
    assert found["findings"][0]["aliases"] == ["CVE-3-alias"]


def test_one_package_in_many_places_counts_once() -> None:
    twice = [match("CVE-1", "High"), match("CVE-1", "High")]
    assert summary({"matches": twice})["total"] == 1
    other = [*twice, match("CVE-1", "High", package="dpkg")]
    assert summary({"matches": other})["total"] == 2


def test_all_are_counted_and_so_many_listed() -> None:
    many = [match(f"CVE-{number}", "High") for number in range(LISTED + 10)]
    found = summary({"matches": many})
    assert (found["total"], len(found["findings"])) == (LISTED + 10, LISTED)


def test_a_name_is_as_long_as_it_may_be() -> None:
    found = summary({"matches": [match("CVE-1", "High", package="x" * 10_000)]})
    assert found["findings"][0]["package"] == "x" * LENGTH


def test_an_sbom_is_packed_or_left_out() -> None:
    told = packed(b'{"bomFormat": "CycloneDX"}')
    assert told and gzip.decompress(base64.b64decode(told)).startswith(b"{")
    assert packed(os.urandom(2 << 20)) is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "scanner_failed"),
        ("[]", "scanner_failed"),
        ("{", "scanner_failed"),
        ("[" * 100_000, "scanner_failed"),
        (json.dumps({"a": "x" * 2000}), "too_much"),
    ],
)
def test_an_answer_that_is_none_ends_the_scan(
    tmp_path: Path, content: str, code: str
) -> None:
    file = tmp_path / "report.json"
    file.write_text(content)
    with pytest.raises(ScanError) as caught:
        read_json(file, 1000 if code == "too_much" else 1 << 20)
    assert caught.value.code == code
