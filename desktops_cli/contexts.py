"""The files that go along with a Dockerfile: an archive as it is, or a folder that is packed."""

import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from desktops_cli.errors import UsageProblem
from desktops_cli.ignore import Ignored
from desktops_cli.words import sentence

LIMIT = 100_000_000
"""The service takes no more."""


@dataclass(frozen=True)
class Archive:
    """A file to send, at its beginning."""

    file: IO[bytes]
    size: int


@contextmanager
def pack(path: Path, limit: int = LIMIT) -> Iterator[Archive]:
    """Give the archive of a folder or a file.

    - what `.dockerignore` names stays here
    - owners are left out: a build knows none of this machine's people
    - sockets, pipes and devices are left out
    - what is too large is refused before anything is sent
    """
    try:
        if path.is_dir():
            with tempfile.TemporaryFile() as file:
                _pack_folder(path, file, limit)
                yield _measured(file, limit)
            return
        with path.open("rb") as file:
            if not (tarfile.is_tarfile(path) or zipfile.is_zipfile(path)):
                raise UsageProblem(
                    "context_unknown",
                    sentence("{path} is neither a folder nor a tar, tar.gz or zip."),
                    path=path,
                )
            yield _measured(file, limit)
    except OSError as error:
        raise UsageProblem(
            "context_unreadable",
            sentence("{path} cannot be read ({why})."),
            path=error.filename or path,
            why=error.strerror,
        ) from error


def _pack_folder(folder: Path, file: IO[bytes], limit: int) -> None:
    ignored = _ignored(folder)
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
        for place, relative in _entries(folder, "", ignored):
            entry: Any = tar.gettarinfo(place, relative)
            if entry is None or not (entry.isreg() or entry.isdir() or entry.issym()):
                continue
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            if entry.isreg():
                with place.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)
            _refuse_large(file.tell(), limit)


def _ignored(folder: Path) -> Ignored:
    file = folder / ".dockerignore"
    return Ignored(file.read_text() if file.is_file() else "")


def _entries(folder: Path, below: str, ignored: Ignored) -> Iterator[tuple[Path, str]]:
    """Give every entry of a folder that goes along, in order, with its path in the archive."""
    for name in sorted(os.listdir(folder)):
        place, relative = folder / name, f"{below}{name}"
        taken = not ignored.matches(relative)
        if taken:
            yield place, relative
        is_folder = place.is_dir() and not place.is_symlink()
        if is_folder and (taken or ignored.has_exceptions):
            yield from _entries(place, f"{relative}/", ignored)


def _measured(file: IO[bytes], limit: int) -> Archive:
    size = file.seek(0, os.SEEK_END)
    _refuse_large(size, limit)
    file.seek(0)
    return Archive(file, size)


def _refuse_large(size: int, limit: int) -> None:
    if size > limit:
        raise UsageProblem(
            "context_too_large",
            sentence(
                "The files are larger than {limit} MB when packed: name in .dockerignore what the "
                "Dockerfile does not need."
            ),
            limit=limit // 1_000_000,
        )
