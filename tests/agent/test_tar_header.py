"""The short way to a header says what the standard library reads."""

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_agent.tree.tar_header import header

NAMES = st.text(alphabet="ab/é.\udcff\n", min_size=1, max_size=300).filter(
    lambda name: "\0" not in name and not name.startswith("/") and "//" not in name
)


def read(data: bytes) -> tarfile.TarInfo:
    import io

    stream = io.BytesIO(data + bytes(1024))
    with tarfile.open(
        fileobj=stream, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        found = tar.next()
        assert found is not None
        return found


@given(
    name=NAMES,
    kind=st.sampled_from(
        [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]
    ),
    link=NAMES,
    uid=st.integers(0, 2**32),
    size=st.integers(0, 2**40),
    mtime=st.integers(-5, 2**40),
    mode=st.integers(0, 0o7777),
)
def test_what_is_written_is_what_is_read(
    name: str, kind: bytes, link: str, uid: int, size: int, mtime: int, mode: int
) -> None:
    info = tarfile.TarInfo(name.rstrip("/") or "x")
    info.type, info.uid, info.gid, info.mtime, info.mode = kind, uid, uid, mtime, mode
    info.size = size if kind == tarfile.REGTYPE else 0
    info.linkname = link if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    data = header(info)
    assert len(data) % 512 == 0
    got = read(data)
    for field in ("name", "type", "uid", "gid", "size", "mtime", "mode"):
        assert getattr(got, field) == getattr(info, field), field
    assert got.linkname == info.linkname.rstrip("/") or got.linkname == info.linkname


@pytest.mark.parametrize("length", [99, 100, 101, 155, 156, 157, 255, 256, 257, 400])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE])
def test_long_paths(length: int, kind: bytes) -> None:
    name = ("d" * 30 + "/") * 20
    info = tarfile.TarInfo(name[:length].rstrip("/"))
    info.type = kind
    assert read(header(info)).name == info.name


def test_a_plain_header_is_one_block_and_the_same_as_the_library_s() -> None:
    info = tarfile.TarInfo("usr/lib/x")
    info.size, info.uid, info.gid, info.mtime, info.mode = (
        12,
        1000,
        100,
        1_700_000_000,
        0o4755,
    )
    assert header(info) == info.tobuf(tarfile.PAX_FORMAT)
