"""What containerd tests of its own differs and archives."""

from __future__ import annotations

from .case import NESTED, Case, Steps

_ETC: Steps = (
    ("file", "etc/hosts", "localhost\n"),
    ("file", "etc/profile", "PATH=/bin\n"),
    ("symlink", "etc/link", "hosts"),
    ("folder", "opt", 0o755),
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
        (NESTED,),
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
        (NESTED,),
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
        (NESTED,),
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
)
