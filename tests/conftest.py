"""Fixtures for every test; each subject's own are in the conftest.py of its folder.

Nothing here needs a cluster, a browser or containerd: those fixtures live in
tests/cluster and tests/conformance, are made on first use, and skip with a
sentence that says what is missing.
"""

import os
from pathlib import Path

# kubernetes_asyncio reads the variable when it is imported, by whichever test comes first.
os.environ.setdefault(
    "KUBECONFIG", str(Path(__file__).with_name("spawner") / "kubeconfig.yaml")
)
