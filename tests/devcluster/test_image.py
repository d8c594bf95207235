"""The pause image and the names of images."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from devcluster.errors import DevclusterError
from devcluster.image import archive_name, full_name, pause_archive, pause_image_name

BINARY = b"\x7fELF and the rest"


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        opened = {
            member.name: tar.extractfile(member) for member in tar if member.isfile()
        }
        return {name: file.read() for name, file in opened.items() if file is not None}


def test_every_descriptor_of_the_pause_image_is_true() -> None:
    files = members(pause_archive(BINARY, "devcluster.local/pause:1"))
    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(
        files[f"blobs/sha256/{entry['digest'].removeprefix('sha256:')}"]
    )

    for descriptor in (entry, manifest["config"], *manifest["layers"]):
        blob = files[f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"]
        assert len(blob) == descriptor["size"]
        assert f"sha256:{hashlib.sha256(blob).hexdigest()}" == descriptor["digest"]


def test_the_pause_image_holds_the_program_and_nothing_else() -> None:
    files = members(pause_archive(BINARY, "devcluster.local/pause:1"))
    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(
        files[f"blobs/sha256/{entry['digest'].removeprefix('sha256:')}"]
    )
    (layer,) = manifest["layers"]
    packed = files[f"blobs/sha256/{layer['digest'].removeprefix('sha256:')}"]
    unpacked = gzip.decompress(packed)
    config = json.loads(
        files[f"blobs/sha256/{manifest['config']['digest'].removeprefix('sha256:')}"]
    )

    assert members(unpacked) == {"pause": BINARY}
    assert config["rootfs"]["diff_ids"] == [
        f"sha256:{hashlib.sha256(unpacked).hexdigest()}"
    ]


def test_the_same_program_gives_the_same_archive_and_another_name_when_it_changes() -> (
    None
):
    assert pause_archive(BINARY, "a/b:1") == pause_archive(BINARY, "a/b:1")
    assert pause_image_name(BINARY) != pause_image_name(BINARY + b"!")


def test_an_archive_says_its_name(tmp_path: Path) -> None:
    archive = tmp_path / "pause.tar"
    archive.write_bytes(pause_archive(BINARY, "devcluster.local/pause:1"))

    assert archive_name(archive) == "devcluster.local/pause:1"


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"not a tar")

    with pytest.raises(DevclusterError, match="broken.tar is no OCI archive"):
        archive_name(broken)


@pytest.mark.parametrize(
    ("name", "complete"),
    [
        ("desktops/base:1", "10.97.0.1:5000/desktops/base:1"),
        ("localhost/desktops/base:1", "10.97.0.1:5000/desktops/base:1"),
        ("base", "10.97.0.1:5000/base:latest"),
        ("10.97.0.1:5000/desktops/base", "10.97.0.1:5000/desktops/base:latest"),
        ("docker.io/library/debian:12", "10.97.0.1:5000/debian:12"),
        ("quay.io/someone/thing:2", "quay.io/someone/thing:2"),
    ],
)
def test_a_name_is_completed(name: str, complete: str) -> None:
    assert full_name(name) == complete
