"""The rendered chart.

- `render(**values)`: the objects of `helm template` with these values, by kind and name
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm" / "desktops"
DEVCLUSTER = Path("/var/lib/devcluster/bin/helm")

Objects = dict[tuple[str, str], dict[str, Any]]
Render = Callable[..., Objects]


def helm() -> str:
    """Return helm's path, or skip."""
    found = shutil.which("helm") or (str(DEVCLUSTER) if DEVCLUSTER.exists() else None)
    if not found:
        pytest.skip("needs helm: run devcluster once, which builds it")
    return found


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Render the chart."""

    def rendered(values: dict[str, Any] | None = None) -> Objects:
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values or {}))
        command = [
            helm(),
            "template",
            "desktops",
            str(CHART),
            "--namespace",
            "desktops",
        ]
        command += ["--kube-version", "1.36.0", "--values", str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(done.stderr)
        objects = [one for one in yaml.safe_load_all(done.stdout) if one]
        return {(one["kind"], one["metadata"]["name"]): one for one in objects}

    return rendered
