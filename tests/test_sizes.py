"""No file and no function grows beyond what is read at one go."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "check-sizes"


@pytest.fixture(scope="module")
def sizes() -> Any:
    """The script."""
    loader = SourceFileLoader("check_sizes", str(SCRIPT))
    spec = spec_from_loader("check_sizes", loader)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def function(lines: int, docstring: int = 0) -> str:
    """Return a function of so many lines, and of a docstring's."""
    words = (
        ['    """Do it.', *["    more"] * (docstring - 2), '    """']
        if docstring
        else []
    )
    return "\n".join(["async def one():", *words, *["    pass"] * (lines - 1), ""])


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", function(40), []),
        ("a.py", function(40, docstring=9), []),
        ("a.py", function(41), ["a.py:1: one has 41 lines, at most 40"]),
        (
            "run",
            "#!/usr/bin/env python3\n" + function(41),
            ["run:2: one has 41 lines, at most 40"],
        ),
        ("run", "#!/usr/bin/env bash\nif [\n", []),
        ("a.ts", "x\n" * 400, []),
        ("a.ts", "x\n" * 401, ["a.ts: 401 lines, at most 400"]),
    ],
)
def test_what_is_too_large_is_found(
    sizes: Any, name: str, text: str, found: list[str]
) -> None:
    assert list(sizes.large(name, text)) == found


def test_every_language_of_the_project_is_looked_at(sizes: Any) -> None:
    found = {file.name for file in sizes.files()}
    assert {"app.py", "lint", "formView.ts", "build.html", "_job.tpl"} <= found
    assert "diff_pb2.py" not in found
