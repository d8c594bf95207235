"""Plain tables, aligned, no wider than the terminal (pure)."""

from collections.abc import Sequence

from desktops_cli.figures import columns_of, cut, printable

GAP = "  "
NARROWEST = 8
"""Columns that are left of a text that is cut: less says nothing."""


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
    stretchy: Sequence[int],
) -> str:
    """Return the lines of a table.

    - without a width (a file, a pipe) nothing is cut
    - only the columns in `stretchy` are cut, the widest first; when that is not enough the
      lines are longer than the terminal, and nothing is lost
    """
    cells = [[printable(cell) for cell in row] for row in [head, *rows]]
    widths = [max(columns_of(row[at]) for row in cells) for at in range(len(head))]
    if width is not None:
        _shrink(widths, width - len(GAP) * (len(head) - 1), stretchy)
    lines = []
    for row in cells:
        shown = [cut(cell, room) for cell, room in zip(row, widths, strict=True)]
        padded = [
            cell + " " * (room - columns_of(cell))
            for cell, room in zip(shown, widths, strict=True)
        ]
        lines.append(GAP.join(padded).rstrip())
    return "\n".join(lines)


def _shrink(widths: list[int], room: int, stretchy: Sequence[int]) -> None:
    """Take columns from the widest of the stretchy ones until all fit."""
    while sum(widths) > room:
        widest = max(stretchy, key=lambda at: widths[at])
        if widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1
