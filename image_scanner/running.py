"""Runs syft and grype: what they read is hostile, so their time and files are bounded."""

import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from image_scanner.errors import ScanError
from image_scanner.settings import Settings

WORDS = 2000
"""Characters of what a program said last."""


def run(
    settings: Settings,
    command: Sequence[str],
    environment: Mapping[str, str],
    output: Path | None = None,
) -> None:
    """Run a program to its end, or end it and raise ScanError; `output` is where it writes.

    - it has its own variables alone, and asks nobody whether there is a newer one of it
    - it and whatever it starts ends after the time that is allowed
    - no file that it writes is larger than the disk that is allowed
    """
    with (
        tempfile.TemporaryFile(dir=settings.work) as said,
        open(output or os.devnull, "wb") as told,
    ):
        process = subprocess.Popen(
            command,
            env={**_own(settings), **environment},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=said,
            start_new_session=True,
        )
        resource.prlimit(
            process.pid, resource.RLIMIT_FSIZE, (settings.disk, settings.disk)
        )
        try:
            code = process.wait(settings.seconds)
        except subprocess.TimeoutExpired as error:
            raise ScanError(
                "time", "The scan took longer than it may.", program=_name(command)
            ) from error
        finally:
            _end(process)
        if code:
            text = f"{_name(command)} ended with an error."
            raise ScanError("scanner_failed", text, status=code, why=_last(said))


def _own(settings: Settings) -> dict[str, str]:
    """Return the variables that every program needs."""
    given = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(settings.work),
        "TMPDIR": str(settings.work),
        "SSL_CERT_FILE": os.environ.get("SSL_CERT_FILE", ""),
    }
    return {key: value for key, value in given.items() if value}


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of a program's group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _last(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - WORDS))
    return said.read().decode("utf-8", "replace")


def _name(command: Sequence[str]) -> str:
    return Path(command[0]).name
