"""The last step of a build: what arrives in the registry, and what is told of it."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from image_builder import push
from image_builder.errors import BuildError
from image_builder.layout import Layout
from image_builder.registry import RegistrySettings
from oci.client import RegistryClient
from oci.manifest import (
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
)
from oci.reference import Digest
from oci.upload import file_source
from tests.fakes.registry import FakeRegistry

STATUS = "Package: {name}\nStatus: install ok installed\nVersion: {version}\n\n"
FILES = dict[str, str | None]
"""Path -> content, None = a folder."""


def layer(files: FILES) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            data = (content or "").encode()
            info.size = len(data)
            if content is None:
                info.type = tarfile.DIRTYPE
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Image:
    """An OCI layout that a test writes."""

    def __init__(self, folder: Path, *layers: tuple[str, bytes]) -> None:
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)
        config = self.blob(OCI_CONFIG, b"{}")
        self.layers = [self.blob(kind, data) for kind, data in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config,
            "layers": self.layers,
        }
        self.manifest = json.dumps(manifest).encode()
        index = {"manifests": [self.blob(OCI_MANIFEST, self.manifest)]}
        (folder / "index.json").write_text(json.dumps(index))

    def blob(self, kind: str, data: bytes) -> dict[str, Any]:
        digest = Digest.of(data)
        (self.folder / "blobs/sha256" / digest.hex).write_bytes(data)
        return {"mediaType": kind, "digest": digest, "size": len(data)}


BASE = (
    OCI_LAYER_GZIP,
    gzip.compress(
        layer({"./var/lib/dpkg/status": STATUS.format(name="bash", version="5")})
    ),
)
ADDED = (
    OCI_LAYER_ZSTD,
    zstandard.compress(
        layer(
            {
                "var/lib/dpkg/status": STATUS.format(name="bash", version="5.1")
                + STATUS.format(name="sl", version="1"),
                "opt/python/lib/cowsay-6.1.dist-info": None,
                "opt/python/lib/.wh.old_thing-1.0.dist-info": "",
                "usr/games/.hidden": "x" * 500,
            }
        )
    ),
)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path / "image", BASE, ADDED)


async def sent(
    registry: FakeRegistry,
    image: Image,
    bases: dict[str, str],
    target: push.Target = push.Target("desktops/alice/r", "v1"),
) -> None:
    settings = RegistrySettings(registry.url, "desktops", "user", "secret")
    layout = Layout.open(image.folder)
    await push.send(settings, target, layout, bases, ["127.0.0.1:*"])


async def offered(registry: FakeRegistry, image: Image) -> dict[str, str]:
    """Put the base of an image into a registry; return it as the build tells it."""
    return await based_on(registry, image, image.layers[:1])


async def based_on(
    registry: FakeRegistry, image: Image, layers: list[dict[str, Any]]
) -> dict[str, str]:
    base = {**json.loads(image.manifest), "layers": layers}
    async with httpx.AsyncClient() as http:
        client = RegistryClient(registry.url, http)
        for one in [base["config"], *layers]:
            blob = Descriptor.from_json(one)
            path = image.folder / "blobs/sha256" / blob.digest.hex
            await client.put_blob("base", blob, file_source(str(path)))
        digest = await client.put_manifest(
            "base", "1", json.dumps(base).encode(), OCI_MANIFEST
        )
    return {f"{registry.host}/base:1": digest}


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    result: dict[str, Any] = lines[-1]["result"]
    return result


async def test_the_image_arrives_and_what_is_new_is_told(
    image: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeRegistry() as registry:
        bases = await offered(registry, image)
        await sent(registry, image, bases)
        tags = registry.tags["desktops/alice/r"]
        assert tags == {"v1": Digest.of(image.manifest)}
        held = registry.blobs["desktops/alice/r"]
        assert {one["digest"] for one in image.layers} <= set(held)
        # The next save of a desktop on this base finds its layer here.
        mirror = registry.blobs["desktops/mirror__bases"]
        assert list(mirror) == [image.layers[0]["digest"]]
    result = last(capsys)
    [(name, digest)] = bases.items()
    assert result["base"] == {"name": name, "digest": digest}
    assert result["new_bytes"] == image.layers[1]["size"]
    assert result["new_layers"] == {image.layers[1]["digest"]: image.layers[1]["size"]}
    packages = result["packages"]
    added = {(one["kind"], one["name"]) for one in packages["added"]}
    assert added == {("apt", "sl"), ("pip", "cowsay")}
    assert packages["upgraded"] == [
        {"kind": "apt", "name": "bash", "from": "5", "to": "5.1"}
    ]
    assert [one["name"] for one in packages["removed"]] == ["old-thing"]
    assert result["biggest"][0] == {"path": "/usr/games/.hidden", "bytes": 500}


async def test_a_second_time_nothing_moves_and_nothing_is_looked_at(
    image: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeRegistry() as registry:
        bases = await offered(registry, image)
        await sent(registry, image, bases)
        before = len([one for one in registry.requests if one[0] == "POST"])
        known = frozenset([Digest.of(image.manifest)])
        again = push.Target("desktops/alice/r", "v2", known)
        await sent(registry, image, bases, again)
        assert len([one for one in registry.requests if one[0] == "POST"]) == before
        assert set(registry.tags["desktops/alice/r"]) == {"v1", "v2"}
    assert "packages" not in last(capsys)


async def test_a_base_that_is_not_below_the_image_is_not_named_as_such(
    image: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeRegistry() as registry:
        bases = await based_on(registry, image, image.layers[1:])
        await sent(registry, image, bases)
    assert last(capsys)["new_bytes"] == sum(one["size"] for one in image.layers)


def test_a_link_in_the_layout_is_not_followed(image: Image, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    blob = image.folder / "blobs/sha256" / Digest(image.layers[1]["digest"]).hex
    blob.unlink()
    blob.symlink_to(secret)
    layout = Layout.open(image.folder)
    with pytest.raises(BuildError):
        layout.blob(layout.layers[1].digest)
    (image.folder / "index.json").unlink()
    (image.folder / "index.json").symlink_to(secret)
    with pytest.raises(BuildError):
        Layout.open(image.folder)
