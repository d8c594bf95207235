"""Which packages a save adds, removes and upgrades, by dpkg's list and by dist-info. Pure."""

from __future__ import annotations

import re
from typing import Any

DPKG_STATUS = "var/lib/dpkg/status"
# Debian's whole archive would give some 100 MiB; a desktop has 2 to 5.
DPKG_LIMIT = 32 << 20

_DIST_INFO = re.compile(r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[^-/]+)\.dist-info")

Versions = dict[tuple[str, str], str]


def dpkg_versions(status: bytes) -> Versions:
    """The installed packages of a dpkg status file, by kind and name."""
    found: Versions = {}
    for paragraph in status.decode("utf-8", "replace").split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in paragraph.splitlines()
            if line.startswith(("Package: ", "Status: ", "Version: "))
        )
        if fields.get("Status", "").endswith(" installed") and "Package" in fields:
            found["apt", fields["Package"]] = fields.get("Version", "")
    return found


def dist_info(path: str) -> tuple[tuple[str, str], str] | None:
    """The Python package whose metadata directory `path` is, None when it is none."""
    match = _DIST_INFO.fullmatch(path.rpartition("/")[2])
    if match is None:
        return None
    # One spelling for a name that people and tools write in several.
    return ("pip", re.sub(r"[-_.]+", "-", match["name"]).lower()), match["version"]


def difference(before: Versions, after: Versions) -> dict[str, list[dict[str, Any]]]:
    """What is new, gone and changed, each sorted by name."""
    added, removed, upgraded = [], [], []
    for key in sorted(before.keys() | after.keys()):
        kind, name = key
        if key not in before:
            added.append({"name": name, "version": after[key], "kind": kind})
        elif key not in after:
            removed.append({"name": name, "version": before[key], "kind": kind})
        elif before[key] != after[key]:
            change = {"name": name, "from": before[key], "to": after[key], "kind": kind}
            upgraded.append(change)
    return {"added": added, "removed": removed, "upgraded": upgraded}
