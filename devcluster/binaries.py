"""The programs of the cluster, built from their Go modules at pinned versions.

A build is kept in the cache folder under a hash of what made it, so that a second checkout, or a
second state folder, builds nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.command import run
from devcluster.errors import DevclusterError
from devcluster.settings import CHECKOUT

SOURCES = Path(__file__).resolve().parent
KUBERNETES_VERSION = "1.36.3"
STRIP = "-s -w"
GO_NEEDED = (1, 26)
BUILD_TIMEOUT = 3600
KUBERNETES_PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubectl",
    "kubelet",
)


@dataclass(frozen=True)
class Build:
    """One run of the Go compiler: a folder of ours (or packages of its module), or of a version."""

    name: str
    minutes: str
    folder: str = ""
    packages: Sequence[str] = ()
    version: str = ""
    tags: str = ""
    flags: str = STRIP
    programs: Sequence[str] = ()
    """The names to link; a build of a folder has one binary, `name`, that goes by all of them."""

    def digest(self) -> str:
        """A hash of everything that decides what comes out."""
        content = hashlib.sha256()
        parts = [self.name, *self.packages, self.version, self.tags, self.flags]
        content.update("\0".join(parts).encode())
        if self.folder:
            for file in sorted((SOURCES / self.folder).iterdir()):
                if file.suffix in {".go", ".mod", ".sum"}:
                    content.update(file.read_bytes())
        return content.hexdigest()[:16]

    def arguments(self, target: Path) -> list[str]:
        """The command line; `go install` puts its results into GOBIN."""
        options = [
            "-trimpath",
            "-ldflags",
            self.flags,
            *(["-tags", self.tags] if self.tags else []),
        ]
        if self.folder and self.packages:
            # `go install` at a version refuses a module that replaces others: a folder lists it.
            return ["go", "build", *options, "-o", f"{target}/", *self.packages]
        if self.folder:
            return ["go", "build", *options, "-o", str(target / self.name), "."]
        return [
            "go",
            "install",
            *options,
            *(f"{p}@{self.version}" for p in self.packages),
        ]


def _kubernetes_flags() -> str:
    """Without a version inside, clients and servers take each other for a release of year zero."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    values = {
        "gitVersion": f"v{KUBERNETES_VERSION}",
        "gitMajor": major,
        "gitMinor": minor,
    }
    defined = [f"-X k8s.io/component-base/version.{k}={v}" for k, v in values.items()]
    return " ".join([STRIP, *defined])


CONTAINERD = "github.com/containerd/containerd/v2/cmd"

BUILDS = (
    Build(
        "kubernetes",
        "about 5 minutes",
        folder=".",
        flags=_kubernetes_flags(),
        programs=KUBERNETES_PROGRAMS,
    ),
    Build(
        "containerd",
        "about 1 minute",
        packages=[
            f"{CONTAINERD}/{n}"
            for n in ("containerd", "containerd-shim-runc-v2", "ctr")
        ],
        version="v2.3.2",
        tags="no_btrfs,no_devmapper,no_zfs",
        programs=("containerd", "containerd-shim-runc-v2", "ctr"),
    ),
    Build("coredns", "about 1 minute", folder="dns", programs=("coredns",)),
    Build("pause", "seconds", folder="pause", programs=("pause",)),
    Build(
        "local-path-provisioner",
        "about 1 minute",
        packages=["github.com/rancher/local-path-provisioner"],
        version="v0.0.30",
        programs=("local-path-provisioner",),
    ),
    Build(
        "registry",
        "about 1 minute",
        packages=["github.com/distribution/distribution/v3/cmd/registry"],
        version="v3.1.2",
        programs=("registry",),
    ),
    Build(
        "buildkit",
        "about 4 minutes",
        folder="buildkit",
        packages=[
            f"github.com/moby/buildkit/cmd/{n}" for n in ("buildkitd", "buildctl")
        ],
    ),
    Build(
        "helm",
        "about 1 minute",
        packages=["helm.sh/helm/v3/cmd/helm"],
        version="v3.21.4",
        programs=("helm",),
    ),
)

TOOLS = (
    Build(
        "scanners",
        "about 5 minutes",
        folder="scanners",
        packages=[
            "github.com/anchore/syft/cmd/syft",
            "github.com/anchore/grype/cmd/grype",
        ],
    ),
    Build(
        "actionlint",
        "seconds",
        packages=["github.com/rhysd/actionlint/cmd/actionlint"],
        version="v1.7.12",
    ),
)
"""What no cluster needs: built when something asks for it."""


def place(build: Build, cache: Path) -> Path:
    """The folder of a build's programs."""
    return cache / f"{build.name}-{build.digest()}"


def ensure_tool(cache: Path, name: str, say: Callable[[str], None]) -> Path:
    """Build a tool, or a program of the cluster, unless it is there; give its folder."""
    build = next(one for one in [*TOOLS, *BUILDS] if one.name == name)
    return _ensure(build, cache, say)


def ensure_binaries(cache: Path, links: Path, say: Callable[[str], None]) -> None:
    """Build what is missing in the cache and link every program by its name."""
    links.mkdir(parents=True, exist_ok=True)
    for build in BUILDS:
        folder = _ensure(build, cache, say)
        for program in build.programs:
            binary = folder / (
                build.name if build.folder and not build.packages else program
            )
            link = links / program
            if not link.is_symlink() or link.readlink() != binary:
                link.unlink(missing_ok=True)
                link.symlink_to(binary)


def _ensure(build: Build, cache: Path, say: Callable[[str], None]) -> Path:
    folder = place(build, cache)
    if not folder.is_dir():
        say(f"building {build.name} {build.version} ({build.minutes} on 2 cores, once)")
        started = time.monotonic()
        _make(build, folder)
        say(f"built {build.name} in {time.monotonic() - started:.0f} s")
    return folder


def _make(build: Build, folder: Path) -> None:
    """Build beside the final place and rename: a cut build leaves nothing that looks whole."""
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    mode = "-mod=readonly" if build.folder else "-mod=mod"
    environment = {**_go_environment(), "GOBIN": str(draft), "GOFLAGS": mode}
    arguments = ["nice", "-n", "5", *build.arguments(draft)]
    try:
        place = SOURCES / build.folder if build.folder else draft
        run(arguments, environment=environment, folder=place, timeout=BUILD_TIMEOUT)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _go_environment() -> dict[str, str]:
    """The environment of a Go that can compile Kubernetes: scripts/install puts one into .venv."""
    tools = CHECKOUT / ".venv" / "bin"
    search = f"{tools}:{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": search, "CGO_ENABLED": "0"}
    if shutil.which("go", path=search) is None:
        raise DevclusterError(
            "Go is missing: run scripts/install, which puts it into .venv/bin."
        )
    version = run(["go", "env", "GOVERSION"], environment=environment).strip()
    numbers = version.removeprefix("go").split(".")
    if tuple(int(n) for n in numbers[:2]) < GO_NEEDED:
        raise DevclusterError(
            f"Go 1.26 or newer is needed, this is {version}: run scripts/install."
        )
    return environment
