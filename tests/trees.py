"""Trees for tests: what is in one, what a layer makes of one, what people do to one."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

XATTRS = ("user.", "security.capability", "system.posix_acl")


@dataclass(frozen=True)
class Node:
    """Everything of an entry that a saved desktop must have as it was."""

    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: str
    content: bytes
    xattrs: tuple[tuple[str, bytes], ...]
    device: tuple[int, int]
    # The names that are one file, within the tree.
    names: tuple[str, ...]


def snapshot(root: Path, skip: frozenset[str] = frozenset()) -> dict[str, Node]:
    """Every entry below `root` by its path; what is below a skipped path is left out."""
    inodes: dict[tuple[int, int], list[str]] = {}
    found: dict[str, os.stat_result] = {}
    for folder, directories, files in os.walk(root):
        for name in list(directories) + files:
            path = os.path.relpath(os.path.join(folder, name), root)
            if path in skip:
                if name in directories:
                    directories.remove(name)
                continue
            st = os.lstat(os.path.join(folder, name))
            if stat.S_ISSOCK(st.st_mode):
                continue
            found[path] = st
            if not stat.S_ISDIR(st.st_mode):
                inodes.setdefault((st.st_dev, st.st_ino), []).append(path)
    return {path: _node(root, path, st, inodes) for path, st in found.items()}


def _node(
    root: Path, path: str, st: os.stat_result, inodes: dict[tuple[int, int], list[str]]
) -> Node:
    full = os.path.join(root, path)
    regular, link = stat.S_ISREG(st.st_mode), stat.S_ISLNK(st.st_mode)
    names = sorted(inodes.get((st.st_dev, st.st_ino), [path]))
    device = stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode)
    return Node(
        type=stat.filemode(st.st_mode)[0],
        mode=stat.S_IMODE(st.st_mode),
        uid=st.st_uid,
        gid=st.st_gid,
        size=st.st_size if regular else 0,
        mtime=st.st_mtime_ns // 10**9,
        link=os.readlink(full) if link else "",
        content=Path(full).read_bytes() if regular and st.st_size < 1 << 24 else b"",
        xattrs=tuple(sorted((name, _xattr(full, name)) for name in _xattrs(full))),
        device=(os.major(st.st_rdev), os.minor(st.st_rdev)) if device else (0, 0),
        names=tuple(names),
    )


def _xattrs(path: str) -> list[str]:
    return [
        name
        for name in os.listxattr(path, follow_symlinks=False)
        if name.startswith(XATTRS)
    ]


def _xattr(path: str, name: str) -> bytes:
    return os.getxattr(path, name, follow_symlinks=False)


def differences(expected: dict[str, Node], got: dict[str, Node]) -> list[str]:
    """Sentences about what is not the same; empty when nothing is."""
    told = [f"missing: {path!r}" for path in sorted(expected.keys() - got.keys())]
    told += [f"too many: {path!r}" for path in sorted(got.keys() - expected.keys())]
    for path in sorted(expected.keys() & got.keys()):
        one, two = expected[path], got[path]
        for field in Node.__dataclass_fields__:
            a, b = getattr(one, field), getattr(two, field)
            if a != b:
                told.append(
                    f"{path!r}: {field} is {str(b)[:80]}, should be {str(a)[:80]}"
                )
    return told


def copy(source: Path, target: Path) -> None:
    """The same tree again, with everything."""
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


def apply(layer: Path, root: Path, kernel: bool = False) -> None:
    """Put a layer on a tree as the image specification says.

    With `kernel` it is unpacked alone, as one layer of an overlay with the kernel's own marks.
    """
    with tarfile.open(layer, errorlevel=1) as archive:
        archive.errorlevel = 2
        members = archive.getmembers()
        _check([member.name for member in members])
        mtimes: dict[str, int] = {}
        fresh: set[str] = set()
        for member in members:
            if not (kernel and _mark(member, root)):
                _apply(archive, member, root, fresh)
            if member.isdir():
                mtimes[member.name] = int(member.mtime)
        for member in members:
            parent = os.path.dirname(member.name)
            if parent in mtimes or member.isdir():
                continue
        for name, mtime in mtimes.items():
            if (root / name).is_dir() and not (root / name).is_symlink():
                os.utime(root / name, (mtime, mtime))


def _check(names: list[str]) -> None:
    """What everybody can unpack, whatever they make first."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    assert not twice, f"twice in one layer: {twice}"
    deleted = {_victim(name) for name in names} - {""}
    for name in names:
        at = os.path.dirname(name) if _victim(name) else name
        while at:
            assert at not in deleted, f"deleted, and in the same layer: {name}"
            at = os.path.dirname(at)


def _victim(name: str) -> str:
    """What a whiteout deletes; nothing when it is none."""
    parent, last = os.path.split(name)
    if not last.startswith(".wh.") or last == ".wh..wh..opq":
        return ""
    return os.path.join(parent, last.removeprefix(".wh."))


def _mark(member: tarfile.TarInfo, root: Path) -> bool:
    """Write a deletion as an overlay has it; False for what is no deletion."""
    parent, name = os.path.split(member.name)
    if name.startswith(".wh."):
        # Of what is left out a layer has deletions, and no folder: who unpacks it makes one.
        (root / parent).mkdir(parents=True, exist_ok=True)
    if name == ".wh..wh..opq":
        os.setxattr(root / parent, "trusted.overlay.opaque", b"y")
    elif name.startswith(".wh."):
        os.mknod(root / parent / name.removeprefix(".wh."), stat.S_IFCHR, 0)
    return name.startswith(".wh.")


def _apply(
    archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, fresh: set[str]
) -> None:
    parent, name = os.path.split(member.name)
    target = root / member.name
    parent_path = root / parent
    before = os.lstat(parent_path) if parent_path.exists() else None
    if name == ".wh..wh..opq":
        _empty(root, parent, fresh)
    elif name.startswith(".wh."):
        victim = parent_path / name.removeprefix(".wh.")
        assert os.path.lexists(victim), f"a whiteout for nothing: {member.name}"
        _remove(victim)
    else:
        fresh.add(member.name)
        if os.path.lexists(target) and not (member.isdir() and _real_directory(target)):
            _remove(target)
        _extract(archive, member, target, root)
    if before is not None and parent:
        os.utime(parent_path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _empty(root: Path, path: str, fresh: set[str]) -> None:
    """Remove what an opaque marker hides: all that is not of its own layer, however deep."""
    for child in os.listdir(root / path):
        below = os.path.join(path, child)
        if below not in fresh:
            _remove(root / below)
        elif _real_directory(root / below):
            found = os.lstat(root / below)
            _empty(root, below, fresh)
            os.utime(root / below, ns=(found.st_atime_ns, found.st_mtime_ns))


def _real_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _real_directory(path):
        shutil.rmtree(path)
    else:
        path.unlink()


def _extract(
    archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, root: Path
) -> None:
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        for name in _xattrs(str(target)):
            os.removexattr(target, name)
    elif member.issym():
        os.symlink(member.linkname, target)
    elif member.islnk():
        os.link(root / member.linkname, target, follow_symlinks=False)
        return
    elif member.isfifo():
        os.mkfifo(target)
    elif member.ischr() or member.isblk():
        kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        os.mknod(target, kind | 0o600, os.makedev(member.devmajor, member.devminor))
    else:
        content = archive.extractfile(member)
        assert content is not None
        with open(target, "wb") as file:
            shutil.copyfileobj(content, file)
    os.chown(target, member.uid, member.gid, follow_symlinks=False)
    if not member.issym():
        os.chmod(target, member.mode)
    for key, value in member.pax_headers.items():
        if key.startswith("SCHILY.xattr."):
            data = value.encode("utf-8", "surrogateescape")
            os.setxattr(
                target, key.removeprefix("SCHILY.xattr."), data, follow_symlinks=False
            )
    os.utime(target, (int(member.mtime), int(member.mtime)), follow_symlinks=False)
