"""Files of one save on the node's own disk: tar streams on their way to the registry."""

from __future__ import annotations

import hashlib
import io
import queue
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import zstandard

from oci.reference import Digest
from snapshot_agent.room import Room
from snapshot_agent.spool_paths import PREFIX, folder_of
from snapshot_agent.tree.layer import CHUNK, ZEROS

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

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
    """The folder of one save; gone when the save has ended, or when the agent starts again.

    - every byte of its files is taken from the room that all saves share;
    - it gives back what it has taken when a file is dropped, and all of it when it is removed.
    """

    def __init__(self, room: Room, save_id: str) -> None:
        self.path = folder_of(room.root, save_id)
        self._room = room
        self._sizes: dict[str, int] = {}

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def open(self, name: str) -> SpoolFile:
        """A new file, in place of one of that name."""
        self.drop(name)
        return SpoolFile(self, self.path / name)

    def drop(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)
        self._room.give_back(self._sizes.pop(name, 0))

    def take(self, name: str, count: int) -> None:
        """Count what is written to a file; OSError when there is no room for it."""
        self._room.take(count)
        self._sizes[name] = self._sizes.get(name, 0) + count

    def twin(self) -> Spool:
        """The same folder, counted by itself."""
        made = Spool(self._room, "")
        made.path = self.path
        return made

    def hide(self, name: str) -> None:
        """Take a file's name away: it is there as long as it is open, and counts until `forget`."""
        (self.path / name).unlink()

    def forget(self) -> None:
        """Give back what hidden files have taken; they are closed."""
        self._room.give_back(sum(self._sizes.values()))
        self._sizes.clear()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self.forget()

    @staticmethod
    def clean(root: Path) -> int:
        """Remove what earlier agents have left; how many saves that were."""
        left = list(root.glob(f"{PREFIX}*"))
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        return len(left)


class SpoolFile(io.FileIO):
    """A file that counts what is written to it; what is written twice counts twice."""

    def __init__(self, spool: Spool, path: Path) -> None:
        super().__init__(path, "w+")
        self.path = path
        self._spool = spool

    def write(self, data: ReadableBuffer, /) -> int:
        size = memoryview(data).nbytes
        self._spool.take(self.path.name, size)
        written = 0
        try:
            written = super().write(data)
        finally:
            # The rest of a short write is written, and counted, by the next one.
            self._spool.take(self.path.name, written - size)
        return written


class LayerFile:
    """Takes a tar stream, leaves a zstd file: hashed and compressed in threads of its own.

    - both digests are of exactly the bytes that went in and came out;
    - an error in a thread comes up in the next `write` or in `close`;
    - `abort` ends the threads and may be called at any time.
    """

    def __init__(self, file: SpoolFile, level: int, threads: int = 0) -> None:
        self._path = file.path
        self._tar = hashlib.sha256()
        self._blob = hashlib.sha256()
        self._tar_size = 0
        self._size = 0
        self._file = io.BufferedWriter(file)
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
    """Takes a tar stream as it is: all that there is time for while a desktop stands still.

    Zeros become a hole, which takes neither time nor room.
    """

    def __init__(self, file: SpoolFile) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        # Long rows of zeros come in pieces of just this size: comparing others costs nothing.
        if data == ZEROS:
            self._file.seek(len(data), io.SEEK_CUR)
            return
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        if not self._file.closed:
            # A hole at the end is there only when the file's size says so.
            self._file.truncate()
            self._file.close()

    def compress(self, target: LayerFile, check: Callable[[], None]) -> Blob:
        """The same stream as a finished layer."""
        with open(self._file.path, "rb") as file:
            _copy(file, target, check)
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
