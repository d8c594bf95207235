"""Changes become one tar stream: headers, contents, and nothing else of the host."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from snapshot_agent.exclusions import EMPTIED, SECRET, SPECIAL
from snapshot_agent.tree import overlay
from snapshot_agent.tree.canary import Scanner
from snapshot_agent.tree.changes import Change, Kind, size_of
from snapshot_agent.tree.tar_header import header

CHUNK = 1024 * 1024
ZEROS = bytes(CHUNK)
_BLOCK = 512

# Pages that were written before, and not yet written back, change again through a mapping
# without the file's time telling. The kernel writes them back after 30 seconds or a little more.
_WRITTEN_BACK_NS = 120 * 10**9
_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None, use_errno=True)

_TYPES = {
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.LINK: tarfile.SYMTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}


class Sink(Protocol):
    """Where the tar stream goes."""

    def write(self, data: bytes) -> object: ...


class SecretInStream(Exception):
    """A canary deep in a file whose start is written already; the pass has to begin again."""

    def __init__(self, path: str, identity: tuple[int, int]) -> None:
        super().__init__(path)
        self.path = path
        self.identity = identity


class TarWriter:
    """Writes changes as a tar stream in PAX format.

    - a file has exactly the size that its header says: it is padded or cut when it changes
      while it is read, and its change is marked as not settled;
    - names of one inode are written once and linked, whatever it is;
    - a hole is not read, though it is written: layers have no sparse files;
    - what has a canary in its content, name, target or attributes is left out and reported;
    - no user or group names, no access or change times: the same tree gives the same bytes.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        canaries: tuple[bytes, ...],
        denied: set[tuple[int, int]],
        leave_out: Callable[[str, str, int], None],
        largest_file: int,
        progress: Callable[[int], None],
        live: bool,
    ) -> None:
        self._sink = sink
        self._canaries = canaries
        self._denied = denied
        self._leave_out = leave_out
        self._largest_file = largest_file
        self._progress = progress
        # False while nothing can change: then nothing has to be done about later changes.
        self.live = live
        self._links: dict[tuple[int, int], tuple[str, int, int]] = {}
        # Hashes of names: a desktop may have deleted a million of them.
        self._markers: set[int] = set()
        self._buffer: list[bytes] = []
        self._buffered = 0
        self.directories: dict[str, int] = {}
        """Those that were written, each with the time of its last change as it was then."""
        self.entries = 0
        self.content_bytes = 0

    def add(self, change: Change) -> None:
        """Write one change; sets its `taken`, `settled` and `stat`."""
        if change.kind in (Kind.WHITEOUT, Kind.OPAQUE):
            self._marker(_marker_name(change.kind, change.path))
            return
        try:
            self._add_entry(change)
        except OSError as error:
            if error.errno not in (
                errno.ENOENT,
                errno.ELOOP,
                errno.ENXIO,
                errno.ESTALE,
            ):
                raise
            # Gone, or something else by now.
            change.taken = change.settled = False

    def add_again(self, change: Change, path: str) -> None:
        """Write a change that `add` has just written under a second path, without its content.

        Folders are folders again; all else becomes a hard link to the first path, which is in
        this layer.
        """
        if change.kind in (Kind.WHITEOUT, Kind.OPAQUE):
            self._marker(_marker_name(change.kind, path))
        elif change.kind is Kind.DIRECTORY:
            assert change.stat is not None
            self.directories[path] = change.stat.st_ctime_ns
            info = _info(change)
            info.name, info.type = path, tarfile.DIRTYPE
            info.pax_headers = _pax(change)
            self._header(info)
        else:
            info = _info(change)
            info.name, info.type, info.linkname = path, tarfile.LNKTYPE, change.path
            self._header(info)

    def finish(self) -> None:
        """Write the end of the archive."""
        self._push(ZEROS[: 2 * _BLOCK])
        self._flush()

    def _add_entry(self, change: Change) -> None:
        assert change.stat is not None
        if change.kind is Kind.DIRECTORY:
            self.directories[change.path] = change.stat.st_ctime_ns
        linked = change.stat.st_nlink > 1 and change.kind is not Kind.DIRECTORY
        if linked and self._add_link(change):
            return
        if change.kind is Kind.FILE:
            self._add_file(change)
        else:
            self._add_special(change)
        if linked and change.taken:
            written = change.path, change.time(), change.seen_at
            self._links[_identity(change.stat)] = written

    def _add_link(self, change: Change) -> bool:
        assert change.stat is not None
        first = self._links.get(_identity(change.stat))
        if first is None:
            return False
        path, seen, seen_at = first
        # Another time than the first name had: both names are captured again.
        change.settled = seen == change.stat.st_ctime_ns
        # What tells of one tells of the other: later both come out, or none.
        change.seen_at = max(change.seen_at, seen_at)
        info = _info(change)
        info.type, info.linkname = tarfile.LNKTYPE, path
        if self._tells(info):
            self._refuse(change, SECRET)
        else:
            self._header(info)
        return True

    def _add_special(self, change: Change) -> None:
        info = _info(change)
        info.pax_headers = _pax(change)
        if change.kind is Kind.DEVICE:
            assert change.stat is not None
            block = stat.S_ISBLK(change.stat.st_mode)
            info.type = tarfile.BLKTYPE if block else tarfile.CHRTYPE
            info.devmajor = os.major(change.stat.st_rdev)
            info.devminor = os.minor(change.stat.st_rdev)
        else:
            info.type = _TYPES[change.kind]
        if change.kind is Kind.LINK:
            info.linkname = _target(change)
        if self._tells(info):
            return self._refuse(change, SECRET)
        self._header(info)

    def _add_file(self, change: Change) -> None:
        fd = overlay.open_file(change.name, change.dir_fd)
        try:
            opened = os.fstat(fd)
            assert change.stat is not None
            if not stat.S_ISREG(opened.st_mode) or _identity(opened) != _identity(
                change.stat
            ):
                change.taken = change.settled = False
                return
            change.stat, change.seen_at = opened, time.time_ns()
            if self.live and opened.st_ctime_ns > change.seen_at - _WRITTEN_BACK_NS:
                _libc.sync_file_range(
                    fd, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE
                )
            self._write_file(change, fd, opened)
            change.settled = (
                change.settled and os.fstat(fd).st_ctime_ns == opened.st_ctime_ns
            )
        finally:
            os.close(fd)

    def _write_file(self, change: Change, fd: int, found: os.stat_result) -> None:
        info = _info(change)
        if _identity(found) in self._denied:
            return self._refuse(change, SECRET)
        if found.st_size > self._largest_file:
            return self._refuse(change, SPECIAL)
        info.size = 0 if change.path in EMPTIED else found.st_size
        scanner = Scanner(self._canaries)
        pieces = _pieces(fd, info.size, found.st_blocks * _BLOCK, change)
        # The first piece before the header: most files have no second one.
        first = next(pieces, b"")
        if scanner.hit(first):
            return self._refuse(change, SECRET)
        info.pax_headers = _pax(change)
        if self._tells(info):
            return self._refuse(change, SECRET)
        self._header(info)
        self._content(first)
        for piece in pieces:
            if scanner.hit(piece):
                raise SecretInStream(change.path, _identity(found))
            self._content(piece)
        self._push(ZEROS[: -info.size % _BLOCK])

    def _refuse(self, change: Change, reason: str) -> None:
        assert change.stat is not None
        change.taken = False
        self._leave_out(change.path, reason, size_of(change.stat))

    def _tells(self, info: tarfile.TarInfo) -> bool:
        """True when a name, a link's target or an attribute holds a secret."""
        if not self._canaries:
            return False
        told = "\0".join([info.name, info.linkname, *info.pax_headers.values()])
        data = told.encode("utf-8", "surrogateescape")
        return any(value in data for value in self._canaries)

    def _content(self, piece: bytes) -> None:
        self._push(piece)
        self.content_bytes += len(piece)
        self._progress(len(piece))

    def _marker(self, name: str) -> None:
        """Once: who unpacks a layer makes a node of it, and fails where there is one."""
        if hash(name) not in self._markers:
            self._markers.add(hash(name))
            self._header(tarfile.TarInfo(name))

    def _header(self, info: tarfile.TarInfo) -> None:
        self.entries += 1
        self._push(header(info))

    def _push(self, data: bytes) -> None:
        # Small writes are gathered: each one that leaves here costs a hand-over to threads.
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._buffer:
            data = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
            self._buffer, self._buffered = [], 0
            self._sink.write(data)


def _info(change: Change) -> tarfile.TarInfo:
    assert change.stat is not None
    info = tarfile.TarInfo(change.path)
    info.mode = stat.S_IMODE(change.stat.st_mode)
    info.uid, info.gid = change.stat.st_uid, change.stat.st_gid
    # Whole seconds, as in every image; rounded down, never up into the future.
    info.mtime = change.stat.st_mtime_ns // 10**9
    return info


def _target(change: Change) -> str:
    try:
        return os.readlink(change.name, dir_fd=change.dir_fd)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise OSError(errno.ESTALE, "no link any more") from error
        raise


def _pax(change: Change) -> dict[str, str]:
    kept = overlay.kept_xattrs(change.name, change.dir_fd)
    return {
        f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
        for name, value in sorted(kept.items())
        # A PAX key ends at its first equals sign.
        if "=" not in name
    }


def _marker_name(kind: Kind, path: str) -> str:
    if kind is Kind.OPAQUE:
        return path
    parent, slash, name = path.rpartition("/")
    return f"{parent}{slash}{overlay.WHITEOUT_PREFIX}{name}"


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _pieces(fd: int, size: int, allocated: int, change: Change) -> Iterator[bytes]:
    """Exactly `size` bytes of a file: zeros for its holes, and for what it has lost meanwhile."""
    at = 0
    for start, end in _extents(fd, size) if allocated < size else [(0, size)]:
        yield from _zeros(start - at)
        at = start
        while at < end:
            piece = os.pread(fd, min(CHUNK, end - at), at)
            if not piece:
                change.settled = False
                break
            yield piece
            at += len(piece)
    yield from _zeros(size - at)


def _extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file with holes has data, up to `size`."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
            end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return
        if start < end:
            yield start, end


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield ZEROS[: min(CHUNK, count)] if count < CHUNK else ZEROS
        count -= CHUNK
