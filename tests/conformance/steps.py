"""What happens to a tree, as data: `("chmod", "etc/a", 0o600)` is one step.

In the layers of an image `whiteout` and `opaque` are written as the image specification has them
(`.wh.`), or, with `kernel`, as an overlay has them on the disk.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Step = tuple[Any, ...]


def carry_out(root: Path, steps: Iterable[Step], kernel: bool = False) -> None:
    """Do every step below `root`."""
    for verb, path, *rest in steps:
        place = root / path
        if verb in ("whiteout", "opaque"):
            _mark(verb, place, kernel)
        elif verb in ("move", "link"):
            _VERBS[verb](place, root / rest[0])
        else:
            _VERBS[verb](place, *rest)


def _mark(verb: str, place: Path, kernel: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if verb == "opaque":
        place.mkdir(exist_ok=True)
        if kernel:
            os.setxattr(place, "trusted.overlay.opaque", b"y")
        else:
            (place / ".wh..wh..opq").touch()
    elif kernel:
        os.mknod(place, stat.S_IFCHR, 0)
    else:
        place.with_name(f".wh.{place.name}").touch()


def _folder(place: Path, mode: int = 0o755) -> None:
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(mode)


def _file(place: Path, content: str | bytes = "", mode: int = 0o644) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    with open(place, "wb", opener=_opened) as file:
        file.write(data)
    place.chmod(mode)


def _opened(path: str, flags: int) -> int:
    """Not waiting for whoever might read a fifo."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def _append(place: Path, content: str) -> None:
    with open(place, "ab", opener=_opened) as file:
        file.write(content.encode())


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def _anew(place: Path) -> None:
    """A folder with nothing in it, in the place of what was there."""
    _remove(place)
    place.mkdir()


def _move(place: Path, target: Path) -> None:
    """As mv does it: what the kernel will not rename is copied and deleted."""
    try:
        place.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        command = ["mv", "-T", "--", str(place), str(target)]
        subprocess.run(command, check=True, capture_output=True, timeout=10)


def _symlink(place: Path, target: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def _link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    os.link(target, place, follow_symlinks=False)


def _owner(place: Path, uid: int, gid: int) -> None:
    os.chown(place, uid, gid, follow_symlinks=False)


def _time(place: Path, seconds: int) -> None:
    os.utime(place, (seconds, seconds), follow_symlinks=False)


def _xattr(place: Path, name: str, value: bytes) -> None:
    os.setxattr(place, name, value, follow_symlinks=False)


def _drop_xattr(place: Path, name: str) -> None:
    os.removexattr(place, name, follow_symlinks=False)


def _device(place: Path, kind: int, major: int, minor: int) -> None:
    os.mknod(place, kind | 0o640, os.makedev(major, minor))


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        # By the folder's descriptor: a socket's path has at most 107 characters.
        folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            one.bind(f"/proc/self/fd/{folder}/{place.name}")
        finally:
            os.close(folder)


def _truncate(place: Path, size: int) -> None:
    with open(place, "ab", opener=_opened) as file:
        file.truncate(size)


_VERBS: dict[str, Callable[..., object]] = {
    "folder": _folder,
    "file": _file,
    "append": _append,
    "remove": _remove,
    "anew": _anew,
    "move": _move,
    "symlink": _symlink,
    "link": _link,
    "chmod": lambda place, mode: place.chmod(mode),
    "owner": _owner,
    "time": _time,
    "xattr": _xattr,
    "drop xattr": _drop_xattr,
    "fifo": os.mkfifo,
    "device": _device,
    "socket": _socket,
    "truncate": _truncate,
}
