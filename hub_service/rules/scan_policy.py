"""Which known vulnerabilities keep an image from being published (pure)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")
"""The worst first."""
BLOCKING = ("", *SEVERITIES[:4])

_WRITTEN = re.compile(r"(?P<id>\S+) until (?P<until>\d{4}-\d{2}-\d{2}), (?P<why>\S.*)")


@dataclass(frozen=True)
class Waiver:
    """A vulnerability that keeps nothing from being published, for a while."""

    id: str
    until: date
    """The last day that it is good for."""
    reason: str

    @classmethod
    def parse(cls, text: str) -> "Waiver":
        """Read `CVE-2026-1234 until 2027-01-31, reason`, or raise ValueError."""
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"{text!r} is not like: CVE-2026-1234 until 2027-01-31, why it may stay"
            )
        return cls(found["id"], date.fromisoformat(found["until"]), found["why"])


@dataclass(frozen=True)
class ScanPolicy:
    """What an administrator has configured."""

    block: str = ""
    """The least severity that blocks; empty = nothing does."""
    waivers: tuple[Waiver, ...] = ()

    @classmethod
    def of(cls, block: str, waivers: Iterable[str]) -> "ScanPolicy":
        """Read the configuration, or raise ValueError."""
        if block not in BLOCKING:
            raise ValueError(f"{block!r} is none of {', '.join(BLOCKING[1:])}")
        return cls(block, tuple(Waiver.parse(one) for one in waivers))

    def waived(self, finding: Mapping[str, Any], today: date) -> Waiver | None:
        """Return the waiver of a finding, by any of its names, while its date has not passed."""
        names = {finding["id"], *finding["aliases"]}
        for one in self.waivers:
            if one.id in names and today <= one.until:
                return one
        return None

    def blocking(
        self,
        counts: Mapping[str, int],
        findings: Iterable[Mapping[str, Any]],
        today: date,
    ) -> int:
        """Return how many vulnerabilities keep it from being published.

        All count but those that are listed and waived: what is too much for the list counts.
        """
        if not self.block:
            return 0
        bad = SEVERITIES[: SEVERITIES.index(self.block) + 1]
        waived = [
            one
            for one in findings
            if one["severity"] in bad and self.waived(one, today)
        ]
        return sum(counts[severity] for severity in bad) - len(waived)
