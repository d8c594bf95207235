"""The client with every mood of the fake registry: credentials, Locations, lost answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from oci.auth import Credentials
from oci.client import RegistryClient
from oci.errors import RegistryRefused, RegistryRejected, RegistryUnavailable
from oci.manifest import OCI_LAYER, Descriptor
from oci.reference import Digest
from oci.upload import bytes_source
from tests.fakes.registry import FakeRegistry

DATA = b"some bytes" * 1000
BLOB = Descriptor(OCI_LAYER, Digest.of(DATA), len(DATA))


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def make(
    fake: FakeRegistry,
    http: httpx.AsyncClient,
    password: str | None = "secret",
    redirect_hosts: tuple[str, ...] = (),
) -> RegistryClient:
    credentials = Credentials("user", password) if password else None
    return RegistryClient(
        fake.url,
        http,
        credentials=credentials,
        redirect_hosts=redirect_hosts,
        attempts=3,
        backoff=0.01,
    )


@pytest.mark.parametrize("auth", ["none", "basic", "bearer"])
@pytest.mark.parametrize("location", ["relative", "absolute"])
async def test_upload_and_mount(
    fake: FakeRegistry, http: httpx.AsyncClient, auth: str, location: str
) -> None:
    fake.moods.auth, fake.moods.location = auth, location
    client = make(fake, http)
    await client.ping()
    await client.put_blob("a/b", BLOB, bytes_source(DATA))
    assert await client.mount_blob("c/d", BLOB.digest, "a/b")
    assert fake.blobs["c/d"][BLOB.digest] == DATA
    assert not fake.uploads


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("password", ["wrong", None])
async def test_wrong_credentials_are_refused_at_once(
    fake: FakeRegistry, http: httpx.AsyncClient, auth: str, password: str | None
) -> None:
    fake.moods.auth = auth
    with pytest.raises(RegistryRefused):
        await make(fake, http, password).ping()
    assert len(fake.requests) <= 3


async def test_a_token_that_runs_out_during_an_upload(
    fake: FakeRegistry, http: httpx.AsyncClient
) -> None:
    fake.moods.auth, fake.moods.expire_tokens = "bearer", True
    await make(fake, http).put_blob("a/b", BLOB, bytes_source(DATA))
    assert fake.blobs["a/b"][BLOB.digest] == DATA
    assert not fake.uploads


async def test_a_registry_without_mounts(
    fake: FakeRegistry, http: httpx.AsyncClient
) -> None:
    client = make(fake, http)
    await client.put_blob("a/b", BLOB, bytes_source(DATA))
    fake.moods.mounts = False
    assert not await client.mount_blob("c/d", BLOB.digest, "a/b")
    # The session that it opened instead is closed again.
    assert not fake.uploads


async def test_a_foreign_location_only_when_allowed(
    fake: FakeRegistry, http: httpx.AsyncClient
) -> None:
    fake.moods.auth, fake.moods.location = "basic", "foreign"
    port = fake.host.partition(":")[2]
    fake.moods.foreign_host = f"localhost:{port}"
    with pytest.raises(RegistryRejected, match="not allowed"):
        await make(fake, http).put_blob("a/b", BLOB, bytes_source(DATA))
    assert fake.foreign_authorizations == []
    client = make(fake, http, redirect_hosts=(f"localhost:{port}",))
    await client.put_blob("a/b", BLOB, bytes_source(DATA))
    assert fake.blobs["a/b"][BLOB.digest] == DATA
    # Sent there, but never with our credentials.
    assert fake.foreign_authorizations == [None]


async def test_a_lost_answer_is_not_sent_twice(
    fake: FakeRegistry, http: httpx.AsyncClient
) -> None:
    fake.moods.lose_answers = 1
    sent: list[int] = []
    await make(fake, http).put_blob("a/b", BLOB, bytes_source(DATA), sent.append)
    puts = [path for method, path, _ in fake.requests if method == "PUT"]
    assert len(puts) == 1
    assert sent[-1] == BLOB.size


async def test_server_errors_pass_or_end(
    fake: FakeRegistry, http: httpx.AsyncClient
) -> None:
    client = make(fake, http)
    fake.moods.fail = [503, 500]
    await client.put_blob("a/b", BLOB, bytes_source(DATA))
    fake.moods.fail = [502, 503, 503]
    with pytest.raises(RegistryUnavailable):
        await client.put_blob("a/c", BLOB, bytes_source(DATA))
    fake.moods.fail = [403]
    with pytest.raises(RegistryRefused):
        await client.put_blob("a/d", BLOB, bytes_source(DATA))
    assert not fake.uploads


async def test_tags_come_in_pages(fake: FakeRegistry, http: httpx.AsyncClient) -> None:
    fake.manifests["a/b"] = {}
    fake.tags["a/b"] = {f"v{n}": "" for n in range(1, 8)}
    fake.moods.page = 3
    assert await make(fake, http).tags("a/b") == [f"v{n}" for n in range(1, 8)]


async def test_no_answer_becomes_unavailable(http: httpx.AsyncClient) -> None:
    with FakeRegistry() as gone:
        client = make(gone, http)
    with pytest.raises(RegistryUnavailable):
        await client.ping()


def test_credentials_do_not_show() -> None:
    assert "secret" not in repr(Credentials("user", "secret"))


async def test_a_manifest_asked_for_by_digest_is_that_one(
    fake: FakeRegistry, http: httpx.AsyncClient
) -> None:
    client = make(fake, http)
    digest = await client.put_manifest("a/b", "v1", b"{}", "application/json")
    fake.manifests["a/b"][digest] = ("application/json", b'{"layers":[]}')
    with pytest.raises(Exception, match="another manifest"):
        await client.get_manifest("a/b", str(digest))
