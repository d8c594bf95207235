"""What can go wrong, as sentences for the person at the terminal.

DevclusterError
 |- CommandFailed      a program of the machine refused
 |- ComponentFailed    a component of the cluster ended or never became ready
 |- ClusterBusy        another command is changing the cluster
 `- ForeignCluster     the cluster on this machine belongs to another checkout
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class DevclusterError(Exception):
    """A failure whose message is meant to be read as it is."""


class CommandFailed(DevclusterError):
    """A program ended with an error; the message holds its command line and its last words."""

    def __init__(self, arguments: Sequence[str], code: int, output: str) -> None:
        words = output.strip() or "(it said nothing)"
        super().__init__(f"`{' '.join(arguments)}` ended with code {code}:\n{words}")
        self.code = code


class ComponentFailed(DevclusterError):
    """A component is not well; the message names it and shows the end of its log."""

    def __init__(self, name: str, problem: str, log: Path, tail: str) -> None:
        super().__init__(f"{name} {problem}. The end of {log}:\n{tail}")
        self.name = name


class ClusterBusy(DevclusterError):
    """Another process holds the lock."""

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"Another devcluster command is at work on this machine ({holder}). "
            "Nothing was changed; wait for its end and try again."
        )


class ForeignCluster(DevclusterError):
    """The running cluster was started from elsewhere."""

    def __init__(self, checkout: str, state: str, since: str) -> None:
        super().__init__(
            f"The cluster on this machine belongs to {checkout} (state in {state}, up since "
            f"{since}). Nothing was changed. Use it as it is (`python3 -m devcluster env`), or end "
            "it with `python3 -m devcluster down --take-over`."
        )
