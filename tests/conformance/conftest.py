"""Fixtures that exist twice: on a fake and on the real thing.

registry    a running registry, once the fake and once distribution's own
http        an HTTP client, closed at the end
client      the RegistryClient on `registry`
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from oci.client import RegistryClient

from .registries import (
    MISSING,
    RegistryServer,
    fake_registry,
    find_registry,
    real_registry,
)


@pytest.fixture(params=["fake", "real"])
def registry(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[RegistryServer]:
    if request.param == "fake":
        with fake_registry() as server:
            yield server
        return
    binary = find_registry()
    if binary is None:
        pytest.skip(MISSING)
    with real_registry(tmp_path, binary) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # trust_env off: a machine's proxy has no business between a test and its own server.
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def client(registry: RegistryServer, http: httpx.AsyncClient) -> RegistryClient:
    return RegistryClient(registry.url, http, attempts=3, backoff=0.01)
