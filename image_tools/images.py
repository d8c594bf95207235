"""Our images: what each is made from."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAG_LENGTH = 12
PYTHON = ("pyproject.toml", "setup.cfg", "README.md", ".dockerignore")


@dataclass(frozen=True)
class Image:
    """One Dockerfile, and the paths of the repository that its result depends on.

    - With a parent, that image takes the place of the Debian root.
    - One that is not usual is built only when it is named.
    """

    name: str
    folder: str
    sources: tuple[str, ...] = ()
    minutes: str = "half a minute"
    parent: str | None = None
    usual: bool = True

    @property
    def paths(self) -> list[str]:
        """Everything that decides what comes out."""
        return [self.folder, *self.sources]

    @property
    def desktop(self) -> bool:
        """People start it, so it has a budget and goes through the pipeline."""
        return self.folder.startswith("images/")


IMAGES = (
    Image(
        "base",
        "images/base",
        ("labextension", "desktop_i18n", "desktops_cli", *PYTHON),
        "6 minutes",
    ),
    Image("r", "images/r", (), "4 minutes", parent="base", usual=False),
    Image("geomatics", "images/geomatics", (), "6 minutes", parent="r", usual=False),
    Image(
        "hub",
        "helm/images/hub",
        ("desktop_i18n", "desktop_spawner", *PYTHON),
        "a minute",
    ),
    Image(
        "hub-service",
        "helm/images/hub-service",
        ("desktop_i18n", "oci", "hub_service", *PYTHON),
    ),
    Image(
        "snapshot-agent",
        "helm/images/snapshot-agent",
        ("oci", "snapshot_agent", *PYTHON),
    ),
    Image(
        "image-builder",
        "helm/images/image-builder",
        (
            *("oci", "image_builder", "devcluster/binaries.py", "devcluster/buildkit"),
            *PYTHON,
        ),
    ),
    Image(
        "start-tester",
        "helm/images/start-tester",
        ("start_tester", *PYTHON),
    ),
    Image(
        "image-scanner",
        "helm/images/image-scanner",
        (
            *("oci", "image_scanner", "devcluster/binaries.py", "devcluster/scanners"),
            *PYTHON,
        ),
        "5 minutes",
        usual=False,
    ),
    Image("registry", "helm/images/registry", ("devcluster/binaries.py",), "seconds"),
)
DESKTOPS = tuple(image for image in IMAGES if image.desktop)
"""Each after what it is made from."""
BY_NAME = {image.name: image for image in IMAGES}


def with_parents(names: list[str]) -> list[Image]:
    """The named images (none: the usual ones), each after what it is made from."""
    wanted = set(names) or {image.name for image in IMAGES if image.usual}
    for name in names:
        parent = BY_NAME[name].parent
        while parent:
            wanted.add(parent)
            parent = BY_NAME[parent].parent
    return [image for image in IMAGES if image.name in wanted]


def content_hash(image: Image, base: str) -> str:
    """A hash of what it is made from: the parent or root, and every file that git would keep."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z", "--", *image.paths]
    listed = subprocess.check_output(command, cwd=ROOT, text=True)
    content = hashlib.sha256(base.encode())
    for name in sorted(set(listed.split("\0")) - {""}):
        file = ROOT / name
        if file.is_file():
            content.update(f"\0{name}\0{file.stat().st_mode & 0o111}\0".encode())
            content.update(file.read_bytes())
    return content.hexdigest()[:TAG_LENGTH]


def commit_tags(folder: Path = ROOT) -> list[str]:
    """The tags beside the content's: the commit, and one that moves; none for changed sources."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else "?"

    commit = git("rev-parse", "HEAD")
    if commit == "?" or git("status", "--porcelain"):
        return []
    return [commit, "latest"]
