"""Headers of a tar stream. Pure.

The standard library writes any header, and takes longer for each than reading a small file
does. Nearly all entries of a desktop fit the plain form of 512 bytes: those are written here.
"""

from __future__ import annotations

import struct
import tarfile

_FORM = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_MAGIC = b"ustar\x0000"
_BLANK = b" " * 8
_LARGEST_ID = 8**7 - 1
_LARGEST_SIZE = 8**11 - 1


def header(info: tarfile.TarInfo) -> bytes:
    """The header of one entry, in PAX form where the plain one does not hold it."""
    plain = None if info.pax_headers else _plain(info)
    if plain is None:
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return plain


def _plain(info: tarfile.TarInfo) -> bytes | None:
    path = info.name + "/" if info.type == tarfile.DIRTYPE else info.name
    if not (path.isascii() and info.linkname.isascii()) or len(info.linkname) > 100:
        return None
    numbers = 0 <= info.uid <= _LARGEST_ID and 0 <= info.gid <= _LARGEST_ID
    if not numbers or not (
        0 <= info.size <= _LARGEST_SIZE and 0 <= info.mtime <= _LARGEST_SIZE
    ):
        return None
    places = _split(path)
    if places is None:
        return None
    prefix, name = places
    device = info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE)
    fields = (
        name.encode("ascii"),
        b"%07o\0" % (info.mode & 0o7777),
        b"%07o\0" % info.uid,
        b"%07o\0" % info.gid,
        b"%011o\0" % info.size,
        b"%011o\0" % int(info.mtime),
    )
    rest = (
        info.type,
        info.linkname.encode("ascii"),
        _MAGIC,
        b"",
        b"",
        b"%07o\0" % info.devmajor if device else b"",
        b"%07o\0" % info.devminor if device else b"",
        prefix.encode("ascii"),
    )
    blank = _FORM.pack(*fields, _BLANK, *rest)
    return b"%b%06o\0 %b" % (blank[:148], sum(blank), blank[156:])


def _split(path: str) -> tuple[str, str] | None:
    """The path as prefix and name, None when it does not fit into both."""
    if len(path) <= 100:
        return "", path
    # The last slash of a directory belongs to its name.
    at = path.find("/", len(path) - 101, len(path) - 1)
    return None if at < 1 or at > 155 else (path[:at], path[at + 1 :])
