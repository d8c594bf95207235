"""What differs in packages between two versions, out of what each one's maker reported (pure).

A version knows what it changed against the image it was made from. Changes are chained, turned
around and put one after the other, so any two versions can be compared that have a common root.
"""

from collections.abc import Mapping
from typing import Any

Key = tuple[str, str]
Changes = dict[Key, tuple[str | None, str | None]]
"""Kind and name of a package -> its version before and after; None = not there."""


def read(packages: Mapping[str, Any]) -> Changes:
    """Read what a save or a build reported: added, removed, upgraded."""
    found: Changes = {}
    for one in packages.get("added", ()):
        found[_key(one)] = (None, one.get("version", ""))
    for one in packages.get("removed", ()):
        found[_key(one)] = (one.get("version", ""), None)
    for one in packages.get("upgraded", ()):
        found[_key(one)] = (one.get("from", ""), one.get("to", ""))
    return found


def written(changes: Changes) -> dict[str, list[dict[str, Any]]]:
    """Write changes as a save reports them, each list sorted."""
    lists: dict[str, list[dict[str, Any]]]
    lists = {"added": [], "removed": [], "upgraded": []}
    for (kind, name), (before, after) in sorted(changes.items()):
        one = {"name": name, "kind": kind}
        if before is None:
            lists["added"].append({**one, "version": after})
        elif after is None:
            lists["removed"].append({**one, "version": before})
        else:
            lists["upgraded"].append({**one, "from": before, "to": after})
    return lists


def turned(changes: Changes) -> Changes:
    """Return the way back."""
    return {key: (after, before) for key, (before, after) in changes.items()}


def joined(first: Changes, second: Changes) -> Changes:
    """Return two changes one after the other; what was undone is no change."""
    found: Changes = {}
    for key in first.keys() | second.keys():
        before = first[key][0] if key in first else second[key][0]
        after = second[key][1] if key in second else first[key][1]
        if before != after:
            found[key] = (before, after)
    return found


def _key(package: Mapping[str, Any]) -> Key:
    return str(package.get("kind", "")), str(package["name"])
