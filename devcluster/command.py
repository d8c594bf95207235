"""Running the machine's own programs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from devcluster.errors import CommandFailed, DevclusterError


def run(
    arguments: Sequence[str],
    *,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> str:
    """Run a program to its end and give its output; CommandFailed when it refuses."""
    try:
        done = subprocess.run(
            list(arguments),
            input=text,
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise DevclusterError(
            f"The program {arguments[0]} is missing on this machine: run scripts/install."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(arguments, -1, f"no end after {timeout:.0f} s") from error
    if done.returncode != 0:
        raise CommandFailed(arguments, done.returncode, done.stderr or done.stdout)
    return done.stdout


def succeeds(arguments: Sequence[str]) -> bool:
    """Whether a program ends well; its output is dropped."""
    try:
        run(arguments)
    except CommandFailed:
        return False
    return True
