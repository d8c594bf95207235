"""Where a step finds its files."""

from pathlib import Path

CONFIG = Path("/config")
"""Dockerfile, policy.json and buildkitd.toml of this build, from its ConfigMap."""
CONTEXT = Path("/work/context")
CACHE = Path("/cache")
OUTPUT = Path("/out")
IMAGE = OUTPUT / "image"
"""The result, an OCI layout."""
BASES = OUTPUT / "bases.json"
"""The images of every FROM, with their digests."""
