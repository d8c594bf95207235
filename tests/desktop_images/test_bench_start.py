"""The row that scripts/bench-start prints."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

import pytest

from image_tools.images import ROOT

pytest.importorskip("playwright.sync_api", reason="needs: pip install -e '.[test]'")


@pytest.fixture(scope="module")
def script() -> Any:
    """The script."""
    loader = SourceFileLoader("bench_start", str(ROOT / "scripts/bench-start"))
    spec = spec_from_loader("bench_start", loader)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("seconds", "end"),
    [
        ([9.0, 3.0, 4.0], "| 4.0 s (3.0 to 9.0) | 5 s | yes |"),
        ([5.0], "| 5.0 s (5.0 to 5.0) | 5 s | yes |"),
        ([1.0, 5.25, 6.0], "| 5.2 s (1.0 to 6.0) | 5 s | no |"),
    ],
)
def test_the_median_is_what_reaches_the_bar(
    script: Any, seconds: list[float], end: str
) -> None:
    row = script.row("r", seconds)
    assert row.startswith("| `scripts/run-image r`") and row.endswith(end)
