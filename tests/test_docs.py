"""The documentation is true: made from the code, complete, and its links lead somewhere."""

import re
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from desktops_cli.errors import INTERRUPTED, CommandError

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


@pytest.fixture(scope="module")
def generator() -> Any:
    """The script that writes the pages that are made from the code."""
    loader = SourceFileLoader("generate_docs", str(ROOT / "scripts" / "generate-docs"))
    spec = spec_from_loader("generate_docs", loader)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_api_is_described_as_it_is(generator: Any) -> None:
    assert (DOCS / "api.md").read_text() == generator.api()


def test_every_trait_and_value_is_described(generator: Any) -> None:
    assert (DOCS / "configuration.md").read_text() == generator.configuration()
    for _, classes in generator.PROGRAMS:
        for kind in classes:
            for name, trait in generator.own_traits(kind).items():
                assert trait.help, f"{kind.__name__}.{name} has no help"


def test_the_command_is_described_as_it_is(generator: Any) -> None:
    text = (DOCS / "cli.md").read_text()
    assert text == generator.command()
    kinds: list[type[CommandError]] = [CommandError, *CommandError.__subclasses__()]
    codes = {kind.exit_code for kind in kinds}
    described = set(re.findall(r"^\| (\d+) \|", text, flags=re.M))
    assert described == {str(code) for code in {0, INTERRUPTED} | codes}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_names_targets_that_make_knows() -> None:
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.M))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert targets and targets <= known


def test_the_readme_names_every_room() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    folders = {
        name.split("/")[0]
        for name in listed
        if "/" in name and not name.startswith(".")
    }
    text = (ROOT / "README.md").read_text()
    assert {folder for folder in folders if f"`{folder}/`" not in text} == set()
