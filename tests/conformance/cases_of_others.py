"""What BuildKit, umoci and moby test, and what nobody does."""

from __future__ import annotations

import stat

from .case import NESTED, Case

# The access list `user::rw-,user:1000:rwx,group::r--,mask::rwx,other::r--`.
ACL = bytes.fromhex(
    "02000000" "01000600ffffffff" "02000700e8030000"
    "04000400ffffffff" "10000700ffffffff" "20000400ffffffff"
)  # fmt: skip
CAPABILITY = bytes.fromhex("0100000200200000" + "00" * 12)

CASES: tuple[Case, ...] = (
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
        (NESTED, (("opaque", "a/b"), ("file", "a/b/c/shown", "s"))),
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
        (NESTED, (("whiteout", "a/b"), ("whiteout", "a/top"))),
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
