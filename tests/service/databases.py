"""A real PostgreSQL for a test, in a folder of its own, reached by a socket."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def find_postgresql() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian has them out of the PATH."""
    known = shutil.which("initdb")
    if known:
        return Path(known).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a server until the end of the block; give its URL."""
    programs = find_postgresql()
    if programs is None:
        pytest.skip("needs PostgreSQL: apt install postgresql")
    # It refuses to run as root, and a socket's path has 107 bytes at most.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    user = "postgres" if as_user else os.environ.get("USER", "postgres")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))
    if as_user:
        shutil.chown(folder, "postgres")
    control = [*as_user, str(programs / "pg_ctl"), "--pgdata", str(folder / "data")]
    options = f"-c unix_socket_directories={folder} -c listen_addresses='' -c fsync=off"
    try:
        run(*as_user, str(programs / "initdb"), "--auth=trust", str(folder / "data"))
        run(*control, "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql+psycopg://{user}@/postgres?host={folder}"
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def run(*command: str) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", timeout=60
    )
    assert done.returncode == 0, done.stdout.decode()
