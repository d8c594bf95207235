"""Which vulnerabilities keep an image from being published."""

from datetime import date
from typing import Any

import pytest

from hub_service.rules.scan_policy import SEVERITIES, ScanPolicy, Waiver

TODAY = date(2027, 1, 31)
WRITTEN = "CVE-2026-1 until 2027-01-31, nobody can reach it"


def finding(id: str, severity: str, *aliases: str) -> dict[str, Any]:
    return {"id": id, "aliases": list(aliases), "severity": severity}


def blocking(policy: ScanPolicy, *findings: dict[str, Any], today: date = TODAY) -> int:
    counts = {
        name: sum(1 for one in findings if one["severity"] == name)
        for name in SEVERITIES
    }
    return policy.blocking(counts, findings, today)


@pytest.mark.parametrize(
    ("block", "count"), [("", 0), ("critical", 1), ("high", 2), ("low", 3)]
)
def test_a_severity_blocks_with_all_that_are_worse(block: str, count: int) -> None:
    found = [finding(f"CVE-{name}", name) for name in ("critical", "high", "low")]
    assert blocking(ScanPolicy(block), *found, finding("CVE-0", "negligible")) == count


@pytest.mark.parametrize(
    ("today", "count"), [(TODAY, 0), (date(2027, 2, 1), 1), (date(2026, 1, 1), 0)]
)
@pytest.mark.parametrize("names", [("CVE-2026-1",), ("GHSA-1", "CVE-2026-1")])
def test_an_exception_ends_with_its_day(
    today: date, count: int, names: tuple[str, ...]
) -> None:
    policy = ScanPolicy.of("high", [WRITTEN])
    one = finding(names[0], "critical", *names[1:])
    assert blocking(policy, one, today=today) == count


def test_an_exception_covers_no_other_one() -> None:
    policy = ScanPolicy.of("critical", [WRITTEN])
    assert blocking(policy, finding("CVE-2026-11", "critical")) == 1


def test_what_is_not_listed_counts_too() -> None:
    policy = ScanPolicy.of("critical", [WRITTEN])
    counts = {**dict.fromkeys(SEVERITIES, 0), "critical": 900}
    assert policy.blocking(counts, [finding("CVE-2026-1", "critical")], TODAY) == 899


def test_an_exception_is_read_with_its_reason() -> None:
    assert Waiver.parse(f" {WRITTEN} ") == Waiver(
        "CVE-2026-1", TODAY, "nobody can reach it"
    )


@pytest.mark.parametrize(
    "text",
    [
        "CVE-2026-1",
        "CVE-2026-1 until 2027-01-31",
        "CVE-2026-1 until 2027-01-31, ",
        "CVE-2026-1 until 2027-02-30, a day that never comes",
        "CVE-2026-1 until tomorrow, why not",
        "",
    ],
)
def test_one_without_day_or_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Waiver.parse(text)


def test_a_severity_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(ValueError):
        ScanPolicy.of("terrible", [])
