"""What the workflows of CI may do: pinned actions, few rights, and nothing that runs only there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from image_tools.images import DESKTOPS

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
USED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
SCRIPT = re.compile(r"(scripts/[\w-]+|\.ci/run)( [\w-]+)*")
IMAGES = ROOT / ".github" / "workflows" / "images.yml"
NIGHTLY = "scripts/test-nightly"
MAKERS = (
    *("scripts/pipeline", "image_tools"),
    *("devcluster/binaries.py", "devcluster/scanners"),
)
"""What builds the images, and looks what is in them."""
BEFORE = "apt-get update -qq && apt-get install -qq -y git"
"""Without it there is no checkout, and so no script."""


@pytest.fixture(params=FILES, ids=lambda file: file.name)
def file(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def jobs_of(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(file.read_text())["jobs"].values())


def test_there_are_some() -> None:
    names = [file.name for file in FILES]
    assert names == ["chart.yml", "images.yml", "nightly.yml", "tests.yml"]


def test_images_are_built_again_after_a_change_of_all_that_they_are_made_from() -> None:
    # YAML 1.1 reads the key `on` as true.
    patterns = yaml.safe_load(IMAGES.read_text())[True]["push"]["paths"]
    made_from = {path for image in DESKTOPS for path in image.paths}
    missing = [
        path
        for path in sorted(made_from.union(MAKERS))
        if not any(covers(pattern, path) for pattern in patterns)
    ]
    assert missing == []
    # One that means nothing any more is a name that was written wrongly.
    assert [one for one in patterns if not (ROOT / stem(one)).exists()] == []


def covers(pattern: str, path: str) -> bool:
    """A change of the path, or of anything in it, fits the pattern."""
    if pattern == path:
        return (ROOT / path).is_file()
    return pattern.endswith("/**") and Path(path).is_relative_to(stem(pattern))


def stem(pattern: str) -> str:
    """The folder of a pattern, or its file."""
    return pattern.removesuffix("/**")


def test_every_night_all_images_are_tried_on_a_machine_that_has_room() -> None:
    file = IMAGES.with_name("nightly.yml")
    assert yaml.safe_load(file.read_text())[True]["schedule"]
    [job] = jobs_of(file)
    assert [one["run"] for one in job["steps"] if "run" in one][1:] == [NIGHTLY]
    assert job["runs-on"] == jobs_of(IMAGES)[0]["runs-on"]
    tried = re.search(r"TEST_IMAGES=([\w,]+)", (ROOT / NIGHTLY).read_text())
    assert tried and tried[1].split(",") == [image.name for image in DESKTOPS]


def test_every_action_is_pinned_by_its_commit(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert USED.fullmatch(line.strip().removeprefix("- ")), line


def test_every_step_calls_a_script_that_runs_anywhere(file: Path) -> None:
    for job in jobs_of(file):
        commands = [one["run"] for one in job["steps"] if "run" in one]
        for command in commands:
            assert command == BEFORE or SCRIPT.fullmatch(command), command
            if command != BEFORE:
                script = ROOT / command.split()[0]
                assert script.stat().st_mode & 0o111, script


def test_a_token_can_read_unless_a_job_pushes(file: Path) -> None:
    assert yaml.safe_load(file.read_text())["permissions"] == {"contents": "read"}
    for job in jobs_of(file):
        pushes = any("registry-login" in one.get("run", "") for one in job["steps"])
        rights = {"contents": "read", "packages": "write"}
        assert job.get("permissions") == (rights if pushes else None)
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_no_secret_is_in_more_than_the_step_that_needs_it(file: Path) -> None:
    for job in jobs_of(file):
        assert "secrets." not in str(job.get("env", {}))
        for step in job["steps"]:
            if "secrets." in str(step):
                run = step["run"]
                assert run in ("scripts/registry-login", "scripts/pipeline publish")
