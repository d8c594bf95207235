"""The steps of a release: logged in to a registry, the chart is packed and pushed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from hub_service.htpasswd import line
from tests.chart.conftest import CHART, helm
from tests.conformance.registries import (
    MISSING,
    RegistryServer,
    find_registry,
    real_registry,
)

ROOT = Path(__file__).parents[2]
USER, PASSWORD = "releaser", "correct-horse-battery-staple"
[VERSION] = [
    one.split()[1]
    for one in (CHART / "Chart.yaml").read_text().splitlines()
    if one.startswith("version:")
]


@dataclass
class Machine:
    """A home of its own, and a registry with one account."""

    home: Path
    registry: RegistryServer

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program there."""
        names = ("PATH", "DEVCLUSTER_CACHE", "LANG")
        known = {name: os.environ[name] for name in names if name in os.environ}
        given = {**known, "HOME": str(self.home), **variables}
        return subprocess.run(
            command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120
        )

    def login(self, **changes: str) -> subprocess.CompletedProcess[str]:
        """Log in."""
        given = {
            "REGISTRY": self.registry.host,
            "REGISTRY_USER": USER,
            "REGISTRY_TOKEN": PASSWORD,
            "REGISTRY_PLAIN_HTTP": "yes",
            **changes,
        }
        return self.run("scripts/registry-login", **given)

    def release(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Pack the chart, and push it."""
        return self.run("scripts/release-chart", **variables)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine that is not logged in."""
    binary = find_registry()
    if binary is None or shutil.which("skopeo") is None:
        pytest.skip(MISSING)
    accounts = tmp_path / "accounts"
    accounts.write_text(line(USER, PASSWORD))
    home = tmp_path / "home"
    home.mkdir()
    with real_registry(tmp_path, binary, accounts) as registry:
        yield Machine(home, registry)


def test_a_login_is_kept_for_the_steps_that_push(machine: Machine) -> None:
    done = machine.login()
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    file = machine.home / ".docker" / "config.json"
    assert list(json.loads(file.read_text())["auths"]) == [machine.registry.host]
    assert file.stat().st_mode & 0o077 == 0


def test_a_login_is_where_the_machine_wants_it(machine: Machine) -> None:
    file = machine.home / "other" / "auth.json"
    assert machine.login(REGISTRY_AUTH_FILE=str(file)).returncode == 0
    assert file.is_file() and not (machine.home / ".docker").exists()


@pytest.mark.parametrize("name", ["REGISTRY", "REGISTRY_USER", "REGISTRY_TOKEN"])
def test_a_login_without_its_variables_says_which(machine: Machine, name: str) -> None:
    done = machine.login(**{name: ""})
    assert (done.returncode != 0, f"{name}: " in done.stderr) == (True, True)


def test_a_wrong_token_ends_it(machine: Machine) -> None:
    done = machine.login(REGISTRY_TOKEN="wrong")
    assert done.returncode != 0
    file = machine.home / ".docker" / "config.json"
    assert not file.exists() or not json.loads(file.read_text()).get("auths")


def test_the_chart_is_pushed_by_who_is_logged_in(machine: Machine) -> None:
    helm()
    place = {"CHART_REGISTRY": f"{machine.registry.host}/Team"}
    plain = {"CHART_PLAIN_HTTP": "yes"}
    assert machine.release(**place, **plain).returncode != 0
    assert machine.login().returncode == 0
    done = machine.release(**place, **plain)
    assert done.returncode == 0, done.stderr
    reply = httpx.get(
        f"{machine.registry.url}/v2/team/charts/desktops/manifests/{VERSION}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
        auth=(USER, PASSWORD),
    )
    kind = reply.json()["config"]["mediaType"]
    assert kind == "application/vnd.cncf.helm.config.v1+json"


def test_only_the_tag_of_the_charts_version_is_released(machine: Machine) -> None:
    helm()
    packed = ROOT / "build" / "chart" / f"desktops-{VERSION}.tgz"
    packed.unlink(missing_ok=True)
    tag = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v99.0.0"}
    done = machine.release(**tag)
    words = f"the tag is v99.0.0, but the chart's version is {VERSION}"
    assert (done.returncode, words in done.stderr, packed.exists()) == (1, True, False)
    done = machine.release(**tag | {"GITHUB_REF_NAME": f"v{VERSION}"})
    assert (done.returncode, packed.exists()) == (0, True), done.stderr
    # A branch may be called as it likes.
    branch = {"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "v99.0.0"}
    assert machine.release(**branch).returncode == 0
