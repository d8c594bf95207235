"""The files that people send along: unpacked inside the folder, or refused."""

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from image_builder import archive
from image_builder.archive import unpack
from image_builder.errors import BuildError


def tar_of(path: Path, *members: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member in members:
            data = b"x" * member.size if member.isfile() else b""
            tar.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = 3 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_is_unpacked(tmp_path: Path, mode: str) -> None:
    target = tmp_path / "out"
    unpack(tar_of(tmp_path / "a", member("data/a.csv"), mode=mode), target)
    assert (target / "data/a.csv").read_bytes() == b"xxx"


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("data/a.csv", "xxx")
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out/data/a.csv").read_text() == "xxx"


@pytest.mark.parametrize(
    "evil",
    [
        member("../outside"),
        member("link", tarfile.SYMTYPE, "/etc"),
        member("link", tarfile.SYMTYPE, "../../outside"),
        member("link", tarfile.LNKTYPE, "../outside"),
        member("device", tarfile.CHRTYPE),
    ],
    ids=["parent", "absolute link", "link out", "hard link", "device"],
)
def test_a_tar_that_leads_out_is_refused(tmp_path: Path, evil: tarfile.TarInfo) -> None:
    with pytest.raises(BuildError) as caught:
        unpack(tar_of(tmp_path / "a", evil), tmp_path / "out" / "deep")
    assert caught.value.code == "context_unreadable"
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "out/outside").exists()


def test_a_zip_that_leads_out_stays_inside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("../../outside", "x")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    unpack(tmp_path / "a.zip", tmp_path / "out" / "deep")
    assert not (tmp_path / "outside").exists()
    assert not os.path.islink(tmp_path / "out/deep/link")


def test_an_archive_of_nothing_but_size_is_refused(tmp_path: Path) -> None:
    bomb = tarfile.TarInfo("zeros")
    bomb.size = archive.UNPACKED + 1
    with tarfile.open(tmp_path / "a", "w") as tar:
        tar.addfile(bomb)
    with pytest.raises(BuildError) as caught:
        unpack(tmp_path / "a", tmp_path / "out")
    assert caught.value.code == "context_too_large"
    assert not (tmp_path / "out/zeros").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello")
    with pytest.raises(BuildError) as caught:
        unpack(tmp_path / "a", tmp_path / "out")
    assert caught.value.code == "context_unreadable"
