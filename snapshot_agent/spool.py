"""Files of one save on the node's own disk: tar streams on their way to the registry."""

from __future__ import annotations

import hashlib
import os
import queue
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from oci.reference import Digest

from .layer import CHUNK

_PREFIX = "save-"
# Pieces of a megabyte between two threads: enough to even out, small beside 256 MiB.
_QUEUE = 8
# What one thread of zstd takes at a time: half its default, for a third less memory and 1 % more
# bytes.
_JOB = 4 << 20


@dataclass(frozen=True)
class Blob:
    """A finished layer: compressed in a file, with the digest before and after."""

    path: Path
    diff_id: Digest
    digest: Digest
    size: int
    tar_size: int


class Spool:
    """The folder of one save; gone when the save has ended, or when the agent starts again."""

    def __init__(self, root: Path, save_id: str) -> None:
        self.path = (
            root / f"{_PREFIX}{hashlib.sha256(save_id.encode()).hexdigest()[:32]}"
        )
        self.path.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    @staticmethod
    def clean(root: Path) -> int:
        """Remove what earlier agents have left; how many saves that were."""
        left = list(root.glob(f"{_PREFIX}*"))
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        return len(left)


def free_bytes(root: Path) -> int:
    """What the spool can still take."""
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize


class LayerFile:
    """Takes a tar stream, leaves a zstd file: hashed and compressed in threads of its own.

    - both digests are of exactly the bytes that went in and came out;
    - an error in a thread comes up in the next `write` or in `close`;
    - `abort` ends the threads and may be called at any time.
    """

    def __init__(self, path: Path, level: int, threads: int = 0) -> None:
        self._path = path
        self._tar = hashlib.sha256()
        self._blob = hashlib.sha256()
        self._tar_size = 0
        self._size = 0
        self._file = open(path, "wb")
        self._compressor = zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters.from_level(
                level,
                threads=threads,
                write_content_size=False,
                job_size=_JOB if threads else 0,
            )
        ).compressobj()
        self._stages = [_Stage(self._hash), _Stage(self._compress)]

    def write(self, data: bytes) -> None:
        for stage in self._stages:
            stage.put(data)

    def close(self) -> Blob:
        try:
            for stage in self._stages:
                stage.end()
            self._out(self._compressor.flush())
        finally:
            self.abort()
        return Blob(
            path=self._path,
            diff_id=Digest(f"sha256:{self._tar.hexdigest()}"),
            digest=Digest(f"sha256:{self._blob.hexdigest()}"),
            size=self._size,
            tar_size=self._tar_size,
        )

    def abort(self) -> None:
        while self._stages:
            # Let go of one by one: they hold this object, and with it the compressor's memory.
            self._stages.pop().stop()
        self._file.close()

    def _hash(self, data: bytes) -> None:
        self._tar.update(data)
        self._tar_size += len(data)

    def _compress(self, data: bytes) -> None:
        self._out(self._compressor.compress(data))

    def _out(self, data: bytes) -> None:
        if data:
            self._blob.update(data)
            self._file.write(data)
            self._size += len(data)


class RawFile:
    """Takes a tar stream as it is: all that there is time for while a desktop stands still."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        self._file.close()

    def compress(self, target: LayerFile, check: Callable[[], None]) -> Blob:
        """The same stream as a finished layer; the raw file is removed."""
        with open(self._path, "rb") as file:
            _copy(file, target, check)
        self._path.unlink()
        return target.close()


class _Stage:
    """A thread that does one thing with every piece, in order."""

    def __init__(self, work: Callable[[bytes], None]) -> None:
        self._work = work
        self._queue: queue.Queue[bytes | None] = queue.Queue(_QUEUE)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        if self._error is not None:
            raise self._error
        self._queue.put(data)

    def end(self) -> None:
        self.stop()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            # After an error the queue is only emptied, so that nobody waits for room in it.
            if self._error is None:
                try:
                    self._work(data)
                except BaseException as error:
                    self._error = error


def _copy(file: BinaryIO, target: LayerFile, check: Callable[[], None]) -> None:
    try:
        while piece := file.read(CHUNK):
            check()
            target.write(piece)
    except BaseException:
        target.abort()
        raise
