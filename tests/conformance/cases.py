"""What a save must bring back, as data: layers of an image, what a session does, what comes late.

Most of it is what others test of their own differs; each case says whose. Paths are relative to a
folder of the case's own, so that all of them fit into one image.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass

from .steps import Step

Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Case:
    """One case; `late` happens after the first pass has looked."""

    name: str
    source: str
    layers: tuple[Steps, ...]
    session: Steps
    late: Steps = ()


# The access list `user::rw-,user:1000:rwx,group::r--,mask::rwx,other::r--`.
ACL = bytes.fromhex(
    "02000000" "01000600ffffffff" "02000700e8030000"
    "04000400ffffffff" "10000700ffffffff" "20000400ffffffff"
)  # fmt: skip
CAPABILITY = bytes.fromhex("0100000200200000" + "00" * 12)

_ETC: Steps = (
    ("file", "etc/hosts", "localhost\n"),
    ("file", "etc/profile", "PATH=/bin\n"),
    ("symlink", "etc/link", "hosts"),
    ("folder", "opt", 0o755),
)
_NESTED: Steps = (
    ("file", "a/b/c/d/file", "deep"),
    ("file", "a/b/other", "other"),
    ("file", "a/top", "top"),
)

CASES: tuple[Case, ...] = (
    # containerd/continuity, fs/diff_test.go
    Case(
        "simple-diff",
        "continuity TestSimpleDiff",
        (_ETC,),
        (
            ("file", "etc/hosts", "127.0.0.1 other\n"),
            ("remove", "etc/link"),
            ("symlink", "etc/link", "profile"),
            ("file", "root/.bashrc", "PATH=/usr/sbin\n"),
            ("remove", "etc/profile"),
        ),
    ),
    Case(
        "empty-file",
        "continuity TestEmptyFileDiff",
        ((("file", "empty"), ("file", "full", "x")),),
        (("file", "empty-too"), ("file", "full", "")),
        (("append", "empty", "no more"),),
    ),
    Case(
        "nested-deletion",
        "continuity TestNestedDeletion",
        (_NESTED,),
        (("remove", "a/b/c"),),
        (("remove", "a"),),
    ),
    Case(
        "directory-replace",
        "continuity TestDirectoryReplace",
        ((("file", "d/old", "o"), ("file", "d/deep/old", "o"), ("file", "f", "f")),),
        (("remove", "d"), ("file", "d", "a file"), ("remove", "f"), ("folder", "f")),
        (("remove", "d"), ("file", "d/new", "n"), ("file", "f/in", "i")),
    ),
    Case(
        "remove-tree-with-dash",
        "continuity TestRemoveDirectoryTreeWithDash: dir-before sorts before dir/",
        ((("file", "d/f", "1"), ("file", "d/e/g", "2"), ("file", "d-before/f", "3")),),
        (("remove", "d"),),
        (("file", "d-before/h", "4"), ("remove", "d-before/f")),
    ),
    Case(
        "file-replace",
        "continuity TestFileReplace",
        ((("file", "f", "a" * 1000), ("file", "g", "g")),),
        (("remove", "f"), ("file", "f", "b" * 1000), ("append", "g", "more")),
        (("remove", "f"), ("symlink", "f", "g")),
    ),
    Case(
        "parent-permission",
        "continuity TestParentDirectoryPermission",
        ((("folder", "a", 0o700), ("folder", "b", 0o751), ("folder", "c", 0o777)),),
        (("file", "a/f", "f"), ("file", "b/f", "f"), ("file", "c/f", "f")),
        (("chmod", "a", 0o710), ("owner", "b", 1000, 100)),
    ),
    Case(
        "same-time",
        "continuity TestUpdateWithSameTime: the same size and the same second",
        ((("file", "f", "one"), ("time", "f", 1_000_000_000)),),
        (("file", "f", "two"), ("time", "f", 1_000_000_000)),
        (("file", "f", "six"), ("time", "f", 1_000_000_000)),
    ),
    Case(
        "link-times",
        "continuity TestLchtimes",
        ((("symlink", "l", "nowhere"), ("time", "l", 1_000_000_000)),),
        (("time", "l", 1_100_000_000),),
        (("time", "l", 0),),
    ),
    # containerd/continuity, fs/fstest/testsuite.go
    Case(
        "basic",
        "FSSuite Basic: an upgrade of a small system",
        (
            (*_ETC, ("file", "bin/sh", "#!"), ("file", "usr/lib/lib.so.1", "1")),
            (("file", "usr/lib/lib.so.1", "2"), ("file", "usr/lib/lib.so.2", "2")),
        ),
        (
            ("file", "usr/lib/lib.so.3", "3", 0o755),
            ("remove", "usr/lib/lib.so.1"),
            ("symlink", "usr/lib/lib.so", "lib.so.3"),
            ("chmod", "bin/sh", 0o4755),
        ),
        (("remove", "usr/lib/lib.so.2"), ("file", "usr/lib/lib.so.1", "again")),
    ),
    Case(
        "hardlink-unmodified",
        "FSSuite HardlinkUnmodified",
        ((("file", "one", "1"), ("link", "two", "one")),),
        (("file", "other", "o"),),
        (("chmod", "other", 0o600),),
    ),
    Case(
        "hardlink-before-unmodified",
        "FSSuite HardlinkBeforeUnmodified",
        ((("file", "one", "1"), ("link", "two", "one")),),
        (("remove", "one"), ("link", "three", "two")),
        (("link", "four", "two"),),
    ),
    Case(
        "hardlink-before-modified",
        "FSSuite HardlinkBeforeModified",
        ((("file", "b", "1"), ("link", "c", "b")),),
        (("file", "b", "changed"), ("link", "a", "b")),
        (("append", "a", "again"), ("link", "z", "a")),
    ),
    # containerd, pkg/archive/tar_test.go
    Case(
        "parent-inclusion",
        "TestDiffTar ParentInclusion, WhiteoutIncludesParents",
        (_NESTED,),
        (("file", "a/b/c/d/new", "n"),),
        (("remove", "a/b/c/d/file"),),
    ),
    Case(
        "hardlink-parents",
        "TestDiffTar HardlinkParentInclusion, HardlinkUpdatedParent",
        ((("file", "d1/f", "f"), ("folder", "d2", 0o700), ("folder", "d3", 0o755)),),
        (("link", "d2/f", "d1/f"),),
        (("chmod", "d3", 0o705), ("link", "d3/f", "d1/f")),
    ),
    Case(
        "whiteout-parent-removal",
        "TestDiffTar WhiteoutParentRemoval",
        (_NESTED,),
        (("remove", "a/b/c/d/file"), ("remove", "a/b/c/d")),
        (("remove", "a/b/c"), ("remove", "a/b")),
    ),
    Case(
        "sockets",
        "TestDiffTar IgnoreSockets",
        ((("folder", "d"), ("file", "f", "f")),),
        (("socket", "d/s"),),
        (("remove", "f"), ("socket", "f")),
    ),
    Case(
        "symlinks-to-everywhere",
        "TestRelativeSymlinks, TestSymlinks, the shapes of TestBreakouts",
        (
            (
                ("symlink", "abs", "/etc"),
                ("symlink", "up", "../../../.."),
                ("folder", "d"),
            ),
        ),
        (
            ("symlink", "d/self", "self"),
            ("symlink", "d/loop", "../d/loop"),
            ("symlink", "root", "/"),
            ("remove", "abs"),
            ("file", "abs/hosts", "a folder where a link to the host's was"),
        ),
        (("remove", "up"), ("folder", "up"), ("symlink", "d/long", "t" * 3000)),
    ),
    # containerd, core/snapshots/testsuite
    Case(
        "lower-layer-removal",
        "RemoveDirectoryInLowerLayer, DeletedFilesInChildSnapshot",
        (
            (("file", "l1/f", "1"), ("file", "bottom/f", "b"), ("file", "foo", "f")),
            (("whiteout", "l1"), ("file", "bar", "b")),
        ),
        (("remove", "bottom"), ("file", "l1/g", "again")),
        (("remove", "foo"), ("file", "bottom/g", "b")),
    ),
    Case(
        "move-from-lower",
        "MoveFileFromLowerLayer, Rename",
        ((("file", "d1/f", "f"), ("file", "d2/g", "g"), ("file", "d3/h", "h")),),
        (("move", "d1/f", "d2/f"), ("move", "d3", "d4")),
        (("move", "d2", "d5"), ("folder", "d3", 0o711)),
    ),
    Case(
        "owners-and-modes",
        "Chown, DirectoryPermissionOnCommit, umoci [unpriv]",
        ((("file", "f", "f"), ("folder", "d", 0o755), ("file", "secret/f", "s")),),
        (
            ("owner", "f", 4_194_304, 100),
            ("chmod", "d", 0o1777),
            ("chmod", "secret", 0),
            ("file", "suid", "s", 0o6755),
        ),
        (("chmod", "f", 0), ("owner", "d", 65534, 65534)),
    ),
    Case(
        "file-update-in-three-layers",
        "LayerFileupdate",
        (
            (("file", "f", "1"), ("file", "g", "1")),
            (("file", "f", "2"),),
            (("file", "f", "3"), ("file", "g", "3")),
        ),
        (("append", "f", "4"),),
        (("append", "g", "5"),),
    ),
    # BuildKit, util/overlay/overlay_linux_test.go and client tests
    Case(
        "rename-diff",
        "BuildKit TestRenameDiff",
        ((("file", "b/one/two/f", "f"), ("file", "b/x", "x")),),
        (("move", "b", "c"),),
        (("move", "c/one", "one"),),
    ),
    Case(
        "duplicate-whiteouts",
        "BuildKit testDuplicateWhiteouts, testWhiteoutParentDir",
        (
            (("file", "d0/d1/bar", "b"), ("file", "d0/foo", "f")),
            (("whiteout", "d0/foo"),),
        ),
        (("remove", "d0/d1/bar"),),
        (("remove", "d0/d1"), ("remove", "d0")),
    ),
    # umoci, test/repack.bats
    Case(
        "replace-kinds",
        "umoci [replace]",
        (
            (
                ("file", "dir/f", "f"),
                ("symlink", "link", "dir"),
                ("file", "file", "f"),
            ),
        ),
        (
            ("remove", "dir"),
            ("file", "dir", "file"),
            ("remove", "link"),
            ("file", "link/in", "dir"),
            ("remove", "file"),
            ("symlink", "file", "/../../.././/../../../../etc/passwd/"),
        ),
        (
            ("remove", "link"),
            ("fifo", "link"),
            ("remove", "dir"),
            ("symlink", "dir", "."),
        ),
    ),
    Case(
        "hardlinks",
        "umoci [hardlink], moby TestChangesSizeWithHardlinks",
        ((("file", "small", "s"),),),
        (
            ("file", "big", "0123456789" * 2000),
            ("link", "same", "big"),
            ("link", "d/same", "big"),
            ("symlink", "sym", "big"),
            ("link", "sym-too", "sym"),
        ),
        (("remove", "big"), ("link", "d/more", "same"), ("link", "sym-3", "sym")),
    ),
    Case(
        "xattrs",
        "umoci [xattrs], containerd TestTarWithXattr",
        ((("file", "f", "f"), ("xattr", "f", "user.old", b"old"), ("folder", "d")),),
        (
            ("xattr", "f", "user.note", b"a\x00\xff=\n"),
            ("xattr", "d", "user.on-a-folder", b"d"),
            ("file", "ping", "elf", 0o755),
            ("xattr", "ping", "security.capability", CAPABILITY),
            ("file", "shared", "s", 0o674),
            ("xattr", "shared", "system.posix_acl_access", ACL),
            ("xattr", "d", "system.posix_acl_default", ACL),
        ),
        (("drop xattr", "f", "user.old"), ("xattr", "f", "user.note", b"again")),
    ),
    Case(
        "names",
        "umoci [unicode], and what no program expects",
        ((("file", "é/😀", "x"), ("file", "\udcff\udcfe", "not UTF-8")),),
        (
            ("file", "new\nline", "n"),
            ("file", "n" * 255, "long"),
            ("file", "-rf", "d"),
            ("file", " ", "space"),
            ("file", "a=b", "equals"),
            ("file", "\\'\"*?[", "shell"),
            ("remove", "é/😀"),
            ("symlink", "link", "\udcff/target"),
        ),
        (("remove", "\udcff\udcfe"), ("file", "\udcfe/\udcff", "below")),
    ),
    Case(
        "long-paths",
        "own: more than the 100 and 255 characters of old tar",
        ((("file", "/".join(["d" * 50] * 6) + "/f", "f"),),),
        (("file", "/".join(["e" * 200] * 14) + "/f", "deep"),),
        (("append", "/".join(["d" * 50] * 6) + "/f", "more"),),
    ),
    # moby, pkg/archive/changes_test.go
    Case(
        "file-in-renamed-directory",
        "moby TestChangesWithChangesGH13590",
        ((("file", "d0/dir1/file1", "h"), ("file", "d0/file2", "b")),),
        (("move", "d0", "d-moved"), ("append", "d-moved/file2", "more")),
        (("move", "d-moved", "d0"),),
    ),
    Case(
        "dirs-mutated",
        "moby TestChangesDirsMutated",
        (
            (
                ("file", "dir1/f", "1"),
                ("file", "dir2/f", "2"),
                ("file", "dir3/f", "3"),
                ("symlink", "sym", "t1"),
                ("file", "f1", "1"),
            ),
        ),
        (
            ("remove", "dir1"),
            ("remove", "dir2"),
            ("file", "dir2", "a file"),
            ("time", "dir3", 1_000_000_000),
            ("remove", "sym"),
            ("symlink", "sym", "t2"),
            ("folder", "dirnew"),
        ),
        (("remove", "f1"), ("folder", "f1", 0o700), ("remove", "dirnew")),
    ),
    # snapshot.md, own cases
    Case(
        "whiteouts-are-one-inode",
        "own: the kernel's whiteouts are links to one inode, and no hard links",
        (tuple(("file", f"f{n}", str(n)) for n in range(20)),),
        tuple(("remove", f"f{n}") for n in range(10)),
        tuple(("remove", f"f{n}") for n in range(10, 15)),
    ),
    Case(
        "opaque-inside-opaque",
        "own",
        (_NESTED, (("opaque", "a/b"), ("file", "a/b/c/shown", "s"))),
        (("remove", "a"), ("file", "a/b/new", "n")),
        (("remove", "a/b"), ("file", "a/b/c/newer", "n")),
    ),
    Case(
        "file-directory-file",
        "own: a file, then a directory, then a file, over three layers",
        (
            (("file", "x", "file"), ("file", "y/f", "f")),
            (("file", "x/f", "f"), ("whiteout", "y")),
        ),
        (("remove", "x"), ("file", "x", "file"), ("file", "y", "y")),
        (("remove", "x"), ("folder", "x", 0o700), ("remove", "y")),
    ),
    Case(
        "lower-whiteout-upper-again",
        "own: deleted in the image, made again by a person",
        (_NESTED, (("whiteout", "a/b"), ("whiteout", "a/top"))),
        (("file", "a/b/other", "mine"), ("file", "a/top", "mine")),
        (("remove", "a/top"), ("file", "a/b/c/d/file", "mine")),
    ),
    Case(
        "sparse",
        "own: holes are zeros wherever they come out",
        ((("file", "small", "x"),),),
        (("file", "hole"), ("truncate", "hole", 3_000_000), ("append", "hole", "end")),
        (("truncate", "small", 1_000_001), ("truncate", "hole", 2_000_000)),
    ),
    Case(
        "special-files",
        "own",
        ((("folder", "d"), ("fifo", "old-fifo")),),
        (
            ("fifo", "d/fifo"),
            ("device", "d/null", stat.S_IFCHR, 1, 3),
            ("device", "d/loop", stat.S_IFBLK, 7, 300),
            ("link", "fifo-too", "d/fifo"),
            ("link", "null-too", "d/null"),
        ),
        (("remove", "old-fifo"), ("file", "old-fifo", "f"), ("chmod", "d/fifo", 0o600)),
    ),
    Case(
        "user-overlay-attributes",
        "own: without userxattr these are a person's attributes like any other",
        ((("file", "d/f", "f"),),),
        (
            ("xattr", "d", "user.overlay.opaque", b"y"),
            ("file", "w"),
            ("xattr", "w", "user.overlay.whiteout", b"y"),
            ("drop xattr", "d", "user.overlay.opaque"),
            ("drop xattr", "w", "user.overlay.whiteout"),
        ),
        (("file", "d/g", "g"),),
    ),
)
