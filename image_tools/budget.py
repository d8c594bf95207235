"""How large an image may be: images/budget.json, in millions of bytes, uncompressed."""

from __future__ import annotations

import json

from image_tools.errors import TooLarge
from image_tools.images import ROOT

FILE = ROOT / "images" / "budget.json"


def read_budgets() -> dict[str, int]:
    """Return the budget of each image by its name."""
    found: dict[str, int] = json.loads(FILE.read_text())
    return found


def check_budget(name: str, size: int, budgets: dict[str, int]) -> None:
    """Refuse an image that is larger than its budget; one without a budget may be any size."""
    budget = budgets.get(name, 0) * 1_000_000
    if budget and size > budget:
        raise TooLarge(name, size, budget)
