"""scripts/pipeline from the first step to the last, with real buildah, syft and grype."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from image_tools.builder import ARGUMENTS
from tests.conformance.registries import MISSING, find_registry, real_registry
from tests.fakes.registry import FakeRegistry
from tests.fakes.vulnerabilities import Vulnerability, serving, write_database
from tests.scanner.conftest import OS_RELEASE, PACKAGE, programs
from tests.service.conftest import World, neighbours
from tests.service.test_robots import HERE, robot_of
from tests.service.trials import BLANK, PASSED

__all__ = ["neighbours", "programs"]

PIPELINE = Path(__file__).parents[2] / "scripts" / "pipeline"
TAG = "0123456789abcdef0123456789abcdef01234567"
BASE = """\
FROM scratch
LABEL org.opencontainers.image.title="A small one"
COPY os-release /etc/os-release
COPY status /var/lib/dpkg/status
"""
ABOVE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY more /more
"""


class Pipeline:
    """Runs steps in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "place"
        self.sources = folder / "images"
        self.environment = {
            **os.environ,
            "PIPELINE_SOURCES": str(self.sources),
            "PIPELINE_PLACE": str(self.place),
            "PIPELINE_TAG": TAG,
            "PIPELINE_PLAIN_HTTP": "yes",
        }

    def __call__(self, step: str, **variables: str) -> tuple[int, str]:
        """Run a step; return its code and what it said."""
        done = subprocess.run(
            [sys.executable, str(PIPELINE), step],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stderr


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline of two images."""
    if shutil.which("buildah") is None or os.geteuid():
        pytest.skip("needs buildah, and root")
    made = Pipeline(tmp_path)
    for name, text in (("base", BASE), ("r", ABOVE)):
        folder = made.sources / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(text)
    root = tmp_path / "context"
    root.mkdir()
    (root / "os-release").write_text(OS_RELEASE)
    (root / "status").write_text(PACKAGE.format(name="openssl", version="3.0.15-1"))
    (root / "more").write_text("x" * 2_000_000)
    made.environment["PIPELINE_CONTEXT"] = str(root)
    yield made
    names = [f"localhost/pipeline/{name}:{TAG}" for name in ("geomatics", "r", "base")]
    subprocess.run(["buildah", "rmi", "--force", *names], capture_output=True)


def test_what_is_built_is_looked_into(
    programs: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    assert pipeline("build")[0] == 0
    assert pipeline("sbom")[0] == 0
    sbom = json.loads((pipeline.place / "r.cdx.json").read_text())
    assert "openssl" in {one["name"] for one in sbom["components"]}
    feed = tmp_path / "feed"
    feed.mkdir()
    write_database(feed, [Vulnerability("CVE-2026-1", "openssl", "high", "4")])
    cache = {"GRYPE_DB_CACHE_DIR": str(tmp_path / "database")}
    with serving(feed) as url:
        code, said = pipeline("scan", GRYPE_DB_UPDATE_URL=url, **cache)
        assert (code, "r: critical 0, high 1" in said) == (0, True), said
        code, said = pipeline(
            "scan", GRYPE_DB_UPDATE_URL=url, PIPELINE_BLOCK="high", **cache
        )
        assert (code, "2 vulnerabilities are high or worse" in said) == (1, True), said
    gone = {"GRYPE_DB_CACHE_DIR": str(tmp_path / "none")}
    code, _ = pipeline(
        "scan", GRYPE_DB_UPDATE_URL="http://127.0.0.1:9/latest.json", **gone
    )
    assert code != 0


def test_what_was_built_is_pushed_byte_for_byte(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    binary = find_registry()
    if binary is None:
        pytest.skip(MISSING)
    assert pipeline("build")[0] == 0
    with real_registry(tmp_path, binary) as registry:
        code, said = pipeline("push", PIPELINE_REGISTRY=f"{registry.host}/Team")
        assert code == 0, said
        for name in ("base", "r"):
            index = json.loads((pipeline.place / name / "index.json").read_text())
            reply = httpx.head(
                f"{registry.url}/v2/team/{name}/manifests/{TAG}",
                headers={"Accept": index["manifests"][0]["mediaType"]},
            )
            pushed = reply.headers["Docker-Content-Digest"]
            assert pushed == index["manifests"][0]["digest"]


def test_an_image_that_is_too_large_stops_it(pipeline: Pipeline) -> None:
    assert pipeline("build")[0] == 0
    assert pipeline("check")[0] == 0
    budget = pipeline.sources / "budget.json"
    budget.write_text('{"base": 1, "r": 3}')
    assert pipeline("check")[0] == 0
    budget.write_text('{"base": 1, "r": 1}')
    code, said = pipeline("check")
    assert (code, said.splitlines()[-1].endswith("lets it be: r")) == (1, True), said


def test_switches_reach_the_dockerfiles_and_each_stands_on_its_parent(
    pipeline: Pipeline,
) -> None:
    for name, switches in ARGUMENTS.items():
        lines = [f"ARG {one}\nLABEL of-{name}-{one}=${{{one}}}" for one in switches]
        folder = pipeline.sources / name
        folder.mkdir(exist_ok=True)
        top = BASE if name == "base" else ABOVE
        (folder / "Dockerfile").write_text("\n".join([top, *lines]))
    wanted = {
        f"of-{name}-{one}": f"{one}'s" for name, of in ARGUMENTS.items() for one in of
    }
    values = {one: f"{one}'s" for of in ARGUMENTS.values() for one in of}
    assert pipeline("build", **values)[0] == 0
    # The last has the labels of all that it stands on.
    labels = labels_of(pipeline, "geomatics")
    assert wanted.items() <= labels.items()
    assert not any("geomatics" in label for label in labels_of(pipeline, "r"))


def labels_of(pipeline: Pipeline, name: str) -> dict[str, str]:
    """The labels of an image that was built."""
    [one] = json.loads((pipeline.place / name / "index.json").read_text())["manifests"]
    blobs = pipeline.place / name / "blobs" / "sha256"
    manifest = json.loads((blobs / one["digest"].partition(":")[2]).read_text())
    config = (blobs / manifest["config"]["digest"].partition(":")[2]).read_text()
    found: dict[str, str] = json.loads(config)["config"]["Labels"]
    return found


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["base", "unknown"], "unknown: no line in IMAGES"),
        (["base", "hub"], "hub: no line in IMAGES"),
        (["r"], "r is made from base, which is not in"),
    ],
)
def test_a_folder_that_nothing_is_known_of_stops_every_step(
    tmp_path: Path, names: list[str], words: str
) -> None:
    pipeline = Pipeline(tmp_path)
    for name in names:
        (pipeline.sources / name).mkdir(parents=True)
        (pipeline.sources / name / "Dockerfile").write_text(BASE)
    for step in ("build", "sbom", "scan", "check", "push", "publish"):
        code, said = pipeline(step, PIPELINE_REGISTRY="registry.example.org")
        assert (code, words in said) == (1, True), said


def test_a_step_that_comes_too_early_says_what_is_missing(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    (pipeline.sources / "base").mkdir(parents=True)
    (pipeline.sources / "base" / "Dockerfile").write_text(BASE)
    code, said = pipeline("check")
    assert (code, "base was not built: scripts/pipeline build" in said) == (1, True)
    code, said = pipeline("push")
    assert (code, "PIPELINE_REGISTRY" in said) == (1, True)
    assert pipeline("nothing")[0] == 1


def test_a_build_that_fails_ends_with_its_code(pipeline: Pipeline) -> None:
    (pipeline.sources / "r" / "Dockerfile").write_text("FROM scratch\nCOPY none /\n")
    code, said = pipeline("build")
    assert (code != 0, "buildah ended with code" in said) == (True, True)


async def test_what_was_pushed_is_published_on_the_hub(
    neighbours: World, tmp_path: Path
) -> None:
    world, pipeline = neighbours, Pipeline(tmp_path)
    world.settings = {"publish_registries": [HERE]}
    digest = write_layout(pipeline, world.registry, "base")
    robot_of(world)
    async with world.serving():
        variables = of_robot(world)
        code, said = await asyncio.to_thread(lambda: pipeline("publish", **variables))
        assert code == 0, said
        assert world.services
        image = world.services.catalogue.image("hub", "base")
        assert image and (image.title, image.published) == ("A small one", 1)
        assert image.versions[0].digest == digest
        assert image.versions[0].note == f"commit {TAG[:12]}"
        variables["PIPELINE_REGISTRY"] = "evil.example.org"
        code, _ = await asyncio.to_thread(lambda: pipeline("publish", **variables))
        assert code == 3


async def test_all_are_published_or_none(neighbours: World, tmp_path: Path) -> None:
    world, pipeline = neighbours, Pipeline(tmp_path)
    world.settings, world.start_tests = {"publish_registries": [HERE]}, True
    for name in ("base", "r"):
        write_layout(pipeline, world.registry, name)
    robot_of(world)
    async with world.serving():
        assert world.services
        catalogue = world.services.catalogue
        code, said = await publishing(pipeline, world, [PASSED, BLANK])
        assert code == 1 and "r did not pass: nothing was published" in said
        for name in ("base", "r"):
            image = catalogue.image("hub", name)
            assert image and (image.visibility, image.published) == ("private", None)
        # base has passed already, so r alone is tried.
        code, said = await publishing(pipeline, world, [PASSED])
        assert code == 0, said
        for name in ("base", "r"):
            image = catalogue.image("hub", name)
            assert image and (image.visibility, image.published) == ("published", 1)


async def test_a_publication_that_breaks_off_says_what_is_public(
    neighbours: World, tmp_path: Path
) -> None:
    world, pipeline = neighbours, Pipeline(tmp_path)
    world.settings = {"publish_registries": [HERE]}
    for name in ("base", "r"):
        write_layout(pipeline, world.registry, name)
    robot_of(world)
    async with world.serving():
        # The registry forgets the second image when the first is public.
        assert world.services
        catalogue = world.services.catalogue
        running = asyncio.create_task(publishing(pipeline, world, []))
        await eventually(
            lambda: (image := catalogue.image("hub", "base")) and image.published
        )
        del world.registry.manifests["team/r"]
        code, said = await running
        assert code and "r was not published" in said and "; base was" in said


async def publishing(
    pipeline: Pipeline, world: World, verdicts: list[dict[str, Any]]
) -> tuple[int, str]:
    """Publish what was pushed; its desktops end with these verdicts, one after the other."""
    variables = of_robot(world)
    running = asyncio.create_task(
        asyncio.to_thread(lambda: pipeline("publish", **variables))
    )
    builds = world.cluster.workloads.builds
    for verdict in verdicts:
        tried = await eventually(lambda: next(iter(builds.values()), None))
        tried.tell("tester", verdict)
        await eventually(lambda: not builds)
    return await running


async def eventually(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds, as long as programs may take to start; return its value."""
    async with asyncio.timeout(60):
        while not (value := condition()):
            await asyncio.sleep(0.05)
    return value


def of_robot(world: World) -> dict[str, str]:
    """The variables of the last step."""
    return {
        "PIPELINE_REGISTRY": f"{HERE}/team",
        "DESKTOPS_HUB": f"{world.url}/",
        "DESKTOPS_TOKEN": "robot",
    }


def write_layout(pipeline: Pipeline, registry: FakeRegistry, name: str) -> str:
    """Leave what the steps before would have left of one image; give its digest."""
    digest = registry.add_image(f"team/{name}", TAG, name)
    folder = pipeline.sources / name
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(BASE)
    blobs = pipeline.place / name / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    _, data = registry.manifests[f"team/{name}"][digest]
    (blobs / digest.partition(":")[2]).write_bytes(data)
    config = json.loads(data)["config"]["digest"]
    labels = {"Labels": {"org.opencontainers.image.title": "A small one"}}
    (blobs / config.partition(":")[2]).write_text(json.dumps({"config": labels}))
    index = {"manifests": [{"digest": digest}]}
    (pipeline.place / name / "index.json").write_text(json.dumps(index))
    return digest
