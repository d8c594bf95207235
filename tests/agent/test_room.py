"""The room that all saves of a node share, and the files that take of it."""

import errno
import os
from pathlib import Path

import pytest
from traitlets import TraitError

from snapshot_agent.room import Room, quantity
from snapshot_agent.settings import SnapshotAgent
from snapshot_agent.tree.layer import ZEROS
from snapshot_agent.tree.spool import LayerFile, RawFile, Spool


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("0", 0),
        ("1500", 1500),
        ("2k", 2000),
        ("20Gi", 20 << 30),
        ("1.5Mi", 3 << 19),
        (".5Ki", 512),
        ("3T", 3 * 10**12),
    ],
)
def test_kubernetes_quantities(text: str, number: int) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["much", "1 Gi", "-1", "1KB", "1e"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity(text)


def test_a_limit_that_is_no_quantity_stops_the_program() -> None:
    with pytest.raises(TraitError, match="spool_limit: 'much' is no quantity"):
        SnapshotAgent(spool_limit="much")


def test_without_a_limit_the_disk_is_the_limit(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.take(1 << 60)
    assert 0 < room.free() < 1 << 60


def test_a_margin_stays_free(tmp_path: Path) -> None:
    room = Room(tmp_path, 1000)
    assert room.free() == 950
    room.take(950)
    with pytest.raises(OSError) as caught:
        room.take(1)
    assert caught.value.errno == errno.ENOSPC
    room.give_back(50)
    assert room.free() == 50


def spools(folder: Path, limit: int) -> tuple[Room, Spool, Spool]:
    room = Room(folder, limit)
    made = Spool(room, "one"), Spool(room, "two")
    for spool in made:
        spool.make()
    return room, *made


def test_every_kind_of_file_of_every_save_counts(tmp_path: Path) -> None:
    room, one, two = spools(tmp_path, 8_000_000)
    before = room.free()
    raw = RawFile(one.open("raw"))
    raw.write(os.urandom(3_000_000))
    raw.close()
    layer = LayerFile(two.open("layer"), 3)
    layer.write(os.urandom(3_000_000))
    blob = layer.close()
    assert room.free() == before - 3_000_000 - blob.size
    more = RawFile(two.open("more"))
    with pytest.raises(OSError) as caught:
        more.write(bytes(3_000_000))
    assert caught.value.errno == errno.ENOSPC
    more.close()
    for spool in (one, two):
        spool.remove()
    assert room.free() == before


def test_a_file_that_is_made_again_counts_once(tmp_path: Path) -> None:
    room, one, _ = spools(tmp_path, 1_000_000)
    before = room.free()
    for _ in range(5):
        with one.open("same") as file:
            file.write(bytes(400_000))
    assert room.free() == before - 400_000
    one.drop("same")
    assert room.free() == before
    assert not list(one.path.iterdir())


def test_rows_of_zeros_become_holes(tmp_path: Path) -> None:
    room, one, _ = spools(tmp_path, 1_000_000)
    raw = RawFile(one.open("raw"))
    expected = b"start" + ZEROS * 3 + b"middle" + ZEROS
    for piece in (b"start", *[ZEROS] * 3, b"middle", ZEROS):
        raw.write(piece)
    raw.close()
    path = one.path / "raw"
    assert path.read_bytes() == expected
    assert path.stat().st_blocks * 512 < len(ZEROS)
    again = LayerFile(one.open("layer"), 3)
    assert raw.compress(again, lambda: None).tar_size == len(expected)
    assert room.free() > 900_000
