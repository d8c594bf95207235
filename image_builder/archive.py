"""Unpacks what a person sent along with a Dockerfile: a tar, packed or not, or a zip."""

import tarfile
import zipfile
from pathlib import Path

from image_builder.errors import BuildError

ENTRIES = 50_000
UNPACKED = 2 << 30
"""Bytes. 100 MB of archive are seldom more; one made of zeros would be a thousand times more."""


def unpack(archive: Path, target: Path) -> None:
    """Unpack an archive, or raise BuildError: nothing ever lands outside the target.

    Links that lead out of the target, devices and absolute names are refused (PEP 706).
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, target)
        else:
            _untar(archive, target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError) as error:
        raise BuildError(
            "context_unreadable", f"The archive cannot be unpacked: {error}"
        ) from error


def _untar(archive: Path, target: Path) -> None:
    total = 0
    with tarfile.open(archive) as tar:
        for number, member in enumerate(tar):
            total += member.size
            _limit(number, total)
            tar.extract(member, target, filter="data")


def _unzip(archive: Path, target: Path) -> None:
    total = 0
    with zipfile.ZipFile(archive) as file:
        for number, info in enumerate(file.infolist()):
            total += info.file_size
            _limit(number, total)
            # Parts like .. and a leading / are taken off by the library; links become files.
            file.extract(info, target)


def _limit(number: int, total: int) -> None:
    if number >= ENTRIES or total > UNPACKED:
        raise BuildError(
            "context_too_large",
            f"The archive holds more than {ENTRIES} files or {UNPACKED >> 30} GB.",
        )
