"""The client's promises, on the fake registry and on a real one."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from oci.client import RegistryClient
from oci.errors import (
    DigestMismatch,
    RegistryError,
    RegistryRejected,
    RegistryUnavailable,
)
from oci.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor
from oci.reference import Digest
from oci.upload import bytes_source, file_source
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.registry import FakeRegistry

from .registries import RegistryServer


def blob(data: bytes) -> Descriptor:
    return Descriptor(OCI_LAYER, Digest.of(data), len(data))


async def put(client: RegistryClient, repository: str, data: bytes) -> Descriptor:
    descriptor = blob(data)
    await client.put_blob(repository, descriptor, bytes_source(data))
    return descriptor


async def put_image(client: RegistryClient, repository: str, tag: str) -> Digest:
    config = await put(client, repository, b"{}" + tag.encode())
    layer = await put(client, repository, b"layer of " + tag.encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.to_json() | {"mediaType": OCI_CONFIG},
        "layers": [layer.to_json()],
    }
    data = json.dumps(manifest).encode()
    digest = await client.put_manifest(
        repository, str(Digest.of(data)), data, OCI_MANIFEST
    )
    assert await client.put_manifest(repository, tag, data, OCI_MANIFEST) == digest
    return digest


async def test_ping(client: RegistryClient) -> None:
    await client.ping()


async def test_a_blob_goes_up_and_comes_back(
    client: RegistryClient, tmp_path: Path
) -> None:
    data = os.urandom(3_000_000)
    path = tmp_path / "blob"
    path.write_bytes(data)
    sent: list[int] = []
    assert await client.head_blob("a/b", blob(data).digest) is None
    await client.put_blob("a/b", blob(data), file_source(str(path)), sent.append)
    assert await client.head_blob("a/b", blob(data).digest) == len(data)
    assert sent[0] == 0 and sent[-1] == len(data) and sent == sorted(sent)
    async with client.open_blob("a/b", blob(data).digest, len(data)) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == data


async def test_an_empty_blob(client: RegistryClient) -> None:
    await put(client, "a/b", b"")
    assert await client.head_blob("a/b", Digest.of(b"")) == 0


async def test_bytes_that_are_not_their_digest_do_not_arrive(
    client: RegistryClient,
) -> None:
    wrong = Descriptor(OCI_LAYER, Digest.of(b"right"), 5)
    with pytest.raises(RegistryRejected) as caught:
        await client.put_blob("a/b", wrong, bytes_source(b"wrong"))
    assert caught.value.code == "DIGEST_INVALID"
    assert await client.head_blob("a/b", wrong.digest) is None


async def test_a_missing_blob_is_not_found(client: RegistryClient) -> None:
    await put(client, "a/b", b"x")
    with pytest.raises(RegistryRejected) as caught:
        await client.get_blob("a/b", Digest.of(b"nothing"), 10)
    assert caught.value.status == 404


async def test_a_blob_larger_than_allowed_is_refused(client: RegistryClient) -> None:
    descriptor = await put(client, "a/b", b"12345")
    assert await client.get_blob("a/b", descriptor.digest, 5) == b"12345"
    with pytest.raises(RegistryRejected):
        await client.get_blob("a/b", descriptor.digest, 4)


async def test_a_size_that_is_not_the_announced_one_is_noticed(
    client: RegistryClient,
) -> None:
    descriptor = await put(client, "a/b", b"12345")
    for size in (4, 6):
        with pytest.raises(DigestMismatch):
            async with client.open_blob("a/b", descriptor.digest, size) as chunks:
                async for _ in chunks:
                    pass


async def test_mount(client: RegistryClient) -> None:
    descriptor = await put(client, "from/here", b"mounted")
    assert await client.mount_blob("to/there", descriptor.digest, "from/here")
    assert await client.head_blob("to/there", descriptor.digest) == len(b"mounted")
    assert not await client.mount_blob("to/there", Digest.of(b"absent"), "from/here")
    assert not await client.mount_blob("to/there", Digest.of(b"absent"), "no/such")


async def test_manifests_and_tags(client: RegistryClient) -> None:
    assert await client.head_manifest("a/b", "v1") is None
    assert await client.get_manifest("a/b", "v1") is None
    assert await client.tags("a/b") == []
    one = await put_image(client, "a/b", "v1")
    two = await put_image(client, "a/b", "v2")
    assert sorted(await client.tags("a/b")) == ["v1", "v2"]
    head = await client.head_manifest("a/b", "v2")
    assert head is not None and head.digest == two and head.media_type == OCI_MANIFEST
    manifest = await client.get_manifest("a/b", str(one))
    assert manifest is not None and manifest.descriptor.digest == one
    assert manifest.json()["config"]["mediaType"] == OCI_CONFIG


async def test_a_manifest_needs_its_blobs(client: RegistryClient) -> None:
    data = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": blob(b"none").to_json() | {"mediaType": OCI_CONFIG},
            "layers": [],
        }
    ).encode()
    with pytest.raises(RegistryRejected) as caught:
        await client.put_manifest("a/b", "v1", data, OCI_MANIFEST)
    assert caught.value.code == "MANIFEST_BLOB_UNKNOWN"


async def test_delete(client: RegistryClient) -> None:
    digest = await put_image(client, "a/b", "v1")
    assert await client.delete_manifest("a/b", str(digest))
    assert await client.head_manifest("a/b", str(digest)) is None
    assert not await client.delete_manifest("a/b", str(digest))
    layer = Digest.of(b"layer of v1")
    assert await client.delete_blob("a/b", layer)
    assert await client.head_blob("a/b", layer) is None
    assert not await client.delete_blob("a/b", layer)


async def test_copy_from_another_registry(
    client: RegistryClient, http: httpx.AsyncClient
) -> None:
    with FakeRegistry() as other:
        source = RegistryClient(other.url, http, attempts=1)
        descriptor = await put(source, "their/base", b"base" * 500_000)
        await client.copy_blob(source, "their/base", "ours", descriptor)
        assert await client.head_blob("ours", descriptor.digest) == descriptor.size
        other.blobs["their/base"][descriptor.digest] = b"evil" * 500_000
        with pytest.raises(RegistryError):
            await client.copy_blob(source, "their/base", "ours/too", descriptor)
        assert await client.head_blob("ours/too", descriptor.digest) is None


async def test_a_broken_upload_starts_again(
    registry: RegistryServer, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    data = os.urandom(4_000_000)
    (tmp_path / "blob").write_bytes(data)
    host, port = registry.host.split(":")
    with FaultProxy(host, int(port)) as proxy:
        client = RegistryClient(proxy.url, http, attempts=4, backoff=0.01)
        proxy.cut_after, proxy.cuts = 1_000_000, 2
        await client.put_blob("a/b", blob(data), file_source(str(tmp_path / "blob")))
        assert proxy.broken == 2
        assert await client.head_blob("a/b", blob(data).digest) == len(data)
        proxy.refuse = True
        await http.aclose()


async def test_a_registry_that_is_away(registry: RegistryServer) -> None:
    host, port = registry.host.split(":")
    with FaultProxy(host, int(port)) as proxy:
        proxy.refuse = True
        async with httpx.AsyncClient(trust_env=False) as http:
            client = RegistryClient(proxy.url, http, attempts=2, backoff=0.01)
            with pytest.raises(RegistryUnavailable):
                await client.ping()


async def test_an_upload_that_its_source_breaks_off(client: RegistryClient) -> None:
    class Broken(Exception):
        pass

    @asynccontextmanager
    async def source() -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise Broken

        yield chunks()

    with pytest.raises(Broken):
        await client.put_blob(
            "a/b", Descriptor(OCI_LAYER, Digest.of(b"whole"), 5), source
        )
    assert await client.head_blob("a/b", Digest.of(b"whole")) is None
