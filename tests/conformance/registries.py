"""The registries that the conformance tests run on: the fake, and a real one when it is there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.registry import FakeRegistry

MISSING = (
    "no real registry on this machine: put Debian's docker-registry or distribution's `registry` "
    "in PATH, or run devcluster once"
)

_CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
"""


@dataclass(frozen=True)
class RegistryServer:
    """A registry that runs, and how a client gets in."""

    host: str
    fake: FakeRegistry | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}"


def find_registry() -> str | None:
    """The binary of a real registry, from PATH or from what devcluster has built."""
    for name in ("docker-registry", "registry"):
        if found := shutil.which(name):
            return found
    return find_built("registry")


def find_built(name: str) -> str | None:
    """A program that devcluster has built and cached."""
    cache = Path(
        os.environ.get("DEVCLUSTER_CACHE", Path.home() / ".cache" / "devcluster")
    )
    built = [
        path
        for path in cache.rglob(name)
        if path.is_file() and os.access(path, os.X_OK)
    ]
    return str(max(built, key=lambda path: path.stat().st_mtime)) if built else None


@contextmanager
def fake_registry() -> Iterator[RegistryServer]:
    with FakeRegistry() as fake:
        yield RegistryServer(fake.host, fake)


@contextmanager
def real_registry(
    folder: Path, binary: str, accounts: Path | None = None
) -> Iterator[RegistryServer]:
    """Distribution's registry on a free port, its blobs below `folder`.

    With `accounts`, a password file, only those get in.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "registry.yml"
    text = _CONFIG.format(root=folder / "blobs", port=port)
    if accounts:
        text += f"auth:\n  htpasswd: {{realm: test, path: {accounts}}}\n"
    config.write_text(text)
    with open(folder / "registry.log", "wb") as log:
        process = subprocess.Popen(
            [binary, "serve", str(config)], stdout=log, stderr=log
        )
    try:
        _wait(f"http://127.0.0.1:{port}/v2/", process, folder / "registry.log")
        yield RegistryServer(f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the registry did not start:\n{log.read_text()[-2000:]}")
