"""The room on a node's disk that the files of all its saves share."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path

# A twentieth is for what nobody counts: folders, half-filled blocks, notes on open uploads.
_MARGIN = 20
_QUANTITY = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(?:([kMGTPE])|([KMGTPE])i)?")


class Room:
    """How many bytes may still be written below `root`.

    - it ends where the disk ends, and at `limit` (0: no limit), whichever comes first;
    - who wants more gets ENOSPC, as from a full disk, and only that save ends; the kubelet, which
      knows the same limit, would end the agent and with it every save of the node;
    - it may be used from several threads.
    """

    def __init__(self, root: Path, limit: int = 0) -> None:
        self.root = root
        self._most = limit - limit // _MARGIN if limit else None
        self._used = 0
        self._lock = threading.Lock()

    def free(self) -> int:
        """What can still be written, at this moment."""
        found = os.statvfs(self.root)
        disk = found.f_bavail * found.f_frsize
        return disk if self._most is None else min(disk, self._most - self._used)

    def take(self, count: int) -> None:
        """Have `count` bytes, or none of them and OSError."""
        with self._lock:
            if self._most is not None and self._used + count > self._most:
                raise OSError(errno.ENOSPC, "the limit of the spool is reached")
            self._used += count

    def give_back(self, count: int) -> None:
        with self._lock:
            self._used -= count


def quantity(text: str) -> int:
    """The bytes of a Kubernetes quantity such as 20Gi; 0 for none; ValueError."""
    if not text:
        return 0
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no quantity of bytes such as 20Gi")
    number, decimal, binary = found.groups()
    factor = 1
    if decimal:
        factor = 1000 ** ("kMGTPE".index(decimal) + 1)
    elif binary:
        factor = 1024 ** ("KMGTPE".index(binary) + 1)
    return int(float(number) * factor)
