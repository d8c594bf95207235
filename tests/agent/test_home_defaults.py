"""Where a change of the home goes a second time."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from snapshot_agent.tree.changes import Change, Kind
from snapshot_agent.tree.home_defaults import HomeDefaults
from snapshot_agent.tree.layer import TarWriter

BELOW = {"defaults", "defaults/old", "defaults/folder"}


def writer(stream: io.BytesIO) -> TarWriter:
    return TarWriter(
        stream,
        canaries=(),
        denied=set(),
        leave_out=lambda path, reason, size: None,
        largest_file=1 << 30,
        progress=lambda count: None,
        live=False,
    )


def defaults(
    below: set[str] = BELOW, own: frozenset[str] = frozenset()
) -> HomeDefaults:
    return HomeDefaults("home/jovyan", "defaults", below.__contains__, own.__contains__)


@pytest.mark.parametrize(
    ("path", "kind", "place"),
    [
        ("home/jovyan", Kind.DIRECTORY, "defaults"),
        ("home/jovyan/.config/x", Kind.FILE, "defaults/.config/x"),
        ("home/jovyan/old", Kind.WHITEOUT, "defaults/old"),
        ("home/jovyan/never", Kind.WHITEOUT, None),
        (
            "home/jovyan/folder/.wh..wh..opq",
            Kind.OPAQUE,
            "defaults/folder/.wh..wh..opq",
        ),
        ("home/jovyan/new/.wh..wh..opq", Kind.OPAQUE, None),
        ("home/jovyana", Kind.FILE, None),
        ("home", Kind.DIRECTORY, None),
        ("etc/passwd", Kind.FILE, None),
    ],
)
def test_places(path: str, kind: Kind, place: str | None) -> None:
    assert defaults().place(Change(path, kind, path.rpartition("/")[2], -1)) == place


def test_what_was_left_out_goes_nowhere() -> None:
    change = Change("home/jovyan/key", Kind.FILE, "key", -1, taken=False)
    assert defaults().place(change) is None


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.WHITEOUT, Kind.DIRECTORY])
def test_what_a_person_has_put_there_stays(kind: Kind) -> None:
    change = Change("home/jovyan/old", kind, "old", -1, known=True)
    assert defaults().place(change) == "defaults/old"
    assert defaults(own=frozenset({"defaults/old"})).place(change) is None


def test_an_image_without_the_folder_is_left_alone() -> None:
    change = Change("home/jovyan/x", Kind.FILE, "x", -1)
    assert defaults(set()).place(change) is None


def test_a_marker_is_written_once() -> None:
    """containerd makes a node of it, and fails where there is one."""
    stream = io.BytesIO()
    written = writer(stream)
    for path in ("home/jovyan/q", "defaults/q"):
        change = Change(path, Kind.WHITEOUT, "q", -1)
        written.add(change)
        written.add_again(change, "defaults/q")
    written.finish()
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        assert tar.getnames() == ["home/jovyan/.wh.q", "defaults/.wh.q"]


def test_a_file_is_written_once_and_linked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    os.symlink("file", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    stream = io.BytesIO()
    written = writer(stream)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        kinds = {"file": Kind.FILE, "link": Kind.LINK, "fifo": Kind.FIFO}
        for name, kind in kinds.items():
            change = Change(f"home/jovyan/{name}", kind, name, folder)
            change.stat = os.lstat(tmp_path / name)
            written.add(change)
            written.add_again(change, f"defaults/{name}")
    finally:
        os.close(folder)
    written.finish()
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        found = {one.name: (one.type, one.linkname) for one in tar.getmembers()}
    assert found == {
        "home/jovyan/file": (tarfile.REGTYPE, ""),
        "defaults/file": (tarfile.LNKTYPE, "home/jovyan/file"),
        "home/jovyan/link": (tarfile.SYMTYPE, "file"),
        "defaults/link": (tarfile.LNKTYPE, "home/jovyan/link"),
        "home/jovyan/fifo": (tarfile.FIFOTYPE, ""),
        "defaults/fifo": (tarfile.LNKTYPE, "home/jovyan/fifo"),
    }
