"""Who runs the machine's one cluster, and the lock that keeps two commands apart."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from devcluster.errors import ClusterBusy


@dataclass(frozen=True)
class Owner:
    """The checkout and the state folder of the cluster on this machine."""

    checkout: str
    state: str
    since: str

    @classmethod
    def now(cls, checkout: Path, state: Path) -> Owner:
        """A new record of the caller."""
        moment = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return cls(str(checkout), str(state), moment)

    def same_place(self, other: Owner) -> bool:
        """Whether both mean the same cluster."""
        return (self.checkout, self.state) == (other.checkout, other.state)


class OwnerRecord:
    """The record on disk; its folder is the machine's, not the state folder's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "owner.json"
        self._lock = folder / "lock"

    def read(self) -> Owner | None:
        """The recorded owner, or None."""
        try:
            return Owner(**json.loads(self._file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, owner: Owner) -> None:
        """Record a new owner, whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(owner)))
        fresh.replace(self._file)

    def remove(self) -> None:
        """Forget the owner."""
        self._file.unlink(missing_ok=True)

    @contextmanager
    def locked(self, command: str) -> Iterator[None]:
        """Hold the machine's lock; ClusterBusy when another command holds it.

        The kernel drops the lock with the process, so a killed command never blocks the next.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(descriptor, 200).decode(errors="replace") or "starting"
                raise ClusterBusy(holder) from error
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"`{command}`, process {os.getpid()}".encode())
            yield
        finally:
            os.close(descriptor)
