"""The demo with other values of the chart for a while."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.conftest import ROOT, Demo

CHART = ROOT / "helm" / "desktops"


@contextmanager
def upgraded(cluster: Demo, values: dict[str, Any], folder: Path) -> Iterator[None]:
    """Upgrade the release with some values more until the end of the block, then go back."""
    file = folder / "more-values.json"
    file.write_text(json.dumps(values))
    before = _helm(cluster, "history", "desktops", "-o", "json")
    revision = str(json.loads(before)[-1]["revision"])
    options = ["--reset-then-reuse-values", "--values", str(file)]
    _helm(cluster, "upgrade", "desktops", str(CHART), *options, "--wait")
    try:
        yield
    finally:
        _helm(cluster, "rollback", "desktops", revision, "--wait")


def built_image(name: str) -> str:
    """Build one of the images that the demo does without; return its reference."""
    script = str(ROOT / "scripts" / "build-images")
    subprocess.run([script, name], check=True, timeout=1800)
    listed = subprocess.check_output([script, "--list"], text=True).strip()
    return str(json.loads(Path(listed).read_text())[name])


def _helm(cluster: Demo, *arguments: str) -> str:
    command = ["helm", "--namespace", "desktops", *arguments]
    environment = {**os.environ, "KUBECONFIG": cluster.kubeconfig}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout
