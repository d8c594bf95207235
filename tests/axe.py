"""Looks for barriers on a page with axe-core: what a keyboard or a screen reader cannot use."""

import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

SCRIPT = Path(sys.prefix) / "lib/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

needs_axe = pytest.mark.skipif(
    not SCRIPT.exists(), reason="needs axe-core: scripts/install test"
)


def barriers(page: Page, without: str = "", within: str = "html") -> list[str]:
    """Return what axe-core finds, each with its rule and place.

    `within` is the part that is looked at, `without` a part of it that is left out.
    """
    page.evaluate(SCRIPT.read_text())
    found = page.evaluate(
        """async ([rules, within, without]) => {
          const place = {include: [[within]], exclude: without ? [[without]] : []};
          const result = await axe.run(place, {runOnly: rules});
          return result.violations.map((one) =>
            `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" ")}`);
        }""",
        [RULES, within, without],
    )
    return [str(one)[:600] for one in found]
