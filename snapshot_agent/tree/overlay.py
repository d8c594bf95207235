"""What the kernel's overlay filesystem writes into its layers, and how it is recognised.

Everything here goes by a directory descriptor and one name, and follows no link: the trees
belong to users, and may change while they are read.
"""

from __future__ import annotations

import errno
import os
import stat

WHITEOUT_PREFIX = ".wh."
OPAQUE_MARKER = ".wh..wh..opq"

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# What a layer carries; everything else is the host's business (security.selinux), the
# overlay's own (trusted.overlay.*), or makes the unpacking fail (system.nfs4_acl).
_KEPT = frozenset(
    {"security.capability", "system.posix_acl_access", "system.posix_acl_default"}
)
_KEPT_PREFIX = "user."
_NOT_KEPT_PREFIX = "user.overlay."

# Not `user.overlay.`: without the mount option userxattr, which is refused, these are
# attributes like any other, and a user could hide files with them.
_OURS = "trusted.overlay."
_OPAQUE = _OURS + "opaque"
_WHITEOUT = _OURS + "whiteout"
_REDIRECT = _OURS + "redirect"
_METACOPY = _OURS + "metacopy"


# ENOTDIR and ELOOP: a component is a file or a link in this layer, so nothing is below it.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class Strange(Exception):
    """The layer refers to content outside itself; the attribute that says so is the message."""


def open_directory(name: str, dir_fd: int) -> int:
    return os.open(name, _DIRECTORY, dir_fd=dir_fd)


def open_file(name: str, dir_fd: int) -> int:
    try:
        # Reading must not change what is read; only the owner or root may ask for that.
        return os.open(name, _FILE | os.O_NOATIME, dir_fd=dir_fd)
    except PermissionError:
        return os.open(name, _FILE, dir_fd=dir_fd)


def lstat(name: str, dir_fd: int) -> os.stat_result:
    return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)


def lstat_if_exists(name: str, dir_fd: int) -> os.stat_result | None:
    """None when there is nothing, or no directory that it could be in."""
    try:
        return lstat(name, dir_fd)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def is_directory(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode)


def same_inode(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_ino, one.st_dev) == (other.st_ino, other.st_dev)


def is_whiteout(found: os.stat_result) -> bool:
    """The kernel's whiteout: a character device 0/0."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def marks(name: str, dir_fd: int) -> str:
    """What the overlay has noted on a directory (an empty name is the directory itself).

    `y`: it hides what is below; `x`: it may hold whiteouts made in user space; else nothing.
    Strange when the layer alone does not tell where the directory's content is.
    """
    noted = [
        attribute for attribute in _names(name, dir_fd) if attribute.startswith(_OURS)
    ]
    if not noted:
        return ""
    if _REDIRECT in noted:
        raise Strange(_REDIRECT)
    value = _xattr(_OPAQUE, name, dir_fd)
    return value.decode("ascii") if value in (b"y", b"x") else ""


def is_marked_whiteout(name: str, dir_fd: int, found: os.stat_result) -> bool:
    """A whiteout made in user space; meant as one only in a directory marked `x`."""
    if not stat.S_ISREG(found.st_mode) or found.st_size != 0:
        return False
    return _xattr(_WHITEOUT, name, dir_fd) is not None


def check_data(name: str, dir_fd: int, found: os.stat_result) -> None:
    """Strange when a file of the layer holds metadata only, its bytes being elsewhere."""
    # Told apart without a call where possible. A small one escapes here, since its attributes may
    # fill a block as its content would: `kept_xattrs` sees that one, before its bytes are taken.
    if found.st_blocks * 512 < found.st_size:
        if _xattr(_METACOPY, name, dir_fd) is not None:
            raise Strange(_METACOPY)


def kept_xattrs(name: str, dir_fd: int) -> dict[str, bytes]:
    """The attributes that go into an image; Strange when the bytes are elsewhere."""
    kept: dict[str, bytes] = {}
    for attribute in _names(name, dir_fd):
        if attribute == _METACOPY:
            raise Strange(_METACOPY)
        ours = attribute in _KEPT or (
            attribute.startswith(_KEPT_PREFIX)
            and not attribute.startswith(_NOT_KEPT_PREFIX)
        )
        if ours:
            value = _xattr(attribute, name, dir_fd)
            if value is not None:
                kept[attribute] = value
    return kept


def _path(name: str, dir_fd: int) -> str:
    # There is no getxattrat: the descriptor's own entry in /proc pins the directory instead,
    # and works for what cannot be opened, such as a fifo or a socket.
    return f"/proc/self/fd/{dir_fd}/{name}" if name else f"/proc/self/fd/{dir_fd}/."


def _names(name: str, dir_fd: int) -> list[str]:
    try:
        return os.listxattr(_path(name, dir_fd), follow_symlinks=False)
    except OSError as error:
        _raise_unless_absent(error)
        return []


def _xattr(attribute: str, name: str, dir_fd: int) -> bytes | None:
    try:
        return os.getxattr(_path(name, dir_fd), attribute, follow_symlinks=False)
    except OSError as error:
        _raise_unless_absent(error)
        return None


def _raise_unless_absent(error: OSError) -> None:
    # Gone meanwhile, not set, or a filesystem without attributes.
    if error.errno not in (errno.ENOENT, errno.ENODATA, errno.ENOTSUP):
        raise error
