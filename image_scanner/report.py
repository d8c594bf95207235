"""Reads what syft and grype have written; what they found in an image may say anything."""

import base64
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

from image_scanner.errors import ScanError

SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")
LISTED = 500
"""Findings that are told one by one, the worst first; all are counted."""
LENGTH = 200
"""Characters of a name, a version or an address."""
ALIASES = 5
SBOM_LIMIT = 1 << 20
"""Bytes, packed: some 10,000 packages."""
REPORT_LIMIT = 128 << 20


def read_json(file: Path, limit: int = REPORT_LIMIT) -> dict[str, Any]:
    """Return a program's answer; one that is too large or none ends the scan."""
    size = file.stat().st_size if file.is_file() else 0
    if size > limit:
        raise ScanError("too_much", "The image has more in it than can be told.")
    try:
        found = json.loads(file.read_bytes()) if size else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ScanError("scanner_failed", "The scanner's answer cannot be read.")
    return found


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Return counts by severity, how many can be mended, and the list of the worst (pure).

    One vulnerability of one version of a package counts once, wherever the package lies.
    """
    findings: dict[tuple[str, ...], dict[str, Any]] = {}
    for match in report.get("matches", ()):
        one = finding(match)
        key = (one["id"], one["package"], one["version"], one["kind"])
        findings.setdefault(key, one)
    order = sorted(findings.values(), key=_order)
    found = Counter(one["severity"] for one in order)
    return {
        "counts": {name: found[name] for name in SEVERITIES},
        "fixable": sum(1 for one in order if one["fixed_in"]),
        "total": len(order),
        "findings": order[:LISTED],
    }


def finding(match: dict[str, Any]) -> dict[str, Any]:
    """Return one vulnerability of one package (pure)."""
    vulnerability, package = match["vulnerability"], match["artifact"]
    severity = str(vulnerability.get("severity", "")).lower()
    fix = vulnerability.get("fix") or {}
    versions = fix.get("versions") or () if fix.get("state") == "fixed" else ()
    related = match.get("relatedVulnerabilities") or ()
    aliases = {_text(one.get("id")) for one in related[:ALIASES]}
    id = _text(vulnerability["id"])
    return {
        "id": id,
        "aliases": sorted(aliases - {id}),
        "severity": severity if severity in SEVERITIES else "unknown",
        "package": _text(package.get("name")),
        "version": _text(package.get("version")),
        "kind": _text(package.get("type")),
        "fixed_in": _text(", ".join(str(one) for one in versions)),
    }


def packed(sbom: bytes) -> str | None:
    """Return an SBOM packed for the log; None when it is too large to be kept (pure)."""
    content = gzip.compress(sbom, mtime=0)
    return base64.b64encode(content).decode() if len(content) <= SBOM_LIMIT else None


def _order(one: dict[str, Any]) -> tuple[Any, ...]:
    severity = SEVERITIES.index(one["severity"])
    return severity, not one["fixed_in"], one["id"], one["package"], one["version"]


def _text(value: object) -> str:
    return str(value or "")[:LENGTH]
