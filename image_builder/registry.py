"""The registry that keeps images, as a step reaches it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from oci.auth import Credentials
from oci.client import RegistryClient

HTTP_TIMEOUT = httpx.Timeout(10.0, read=60.0)


@dataclass(frozen=True)
class RegistrySettings:
    """The registry that keeps images, and whom it knows."""

    url: str
    prefix: str
    username: str
    password: str

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "RegistrySettings":
        """Read REGISTRY_URL, REGISTRY_PREFIX, REGISTRY_USERNAME and REGISTRY_PASSWORD."""
        return cls(
            url=environment["REGISTRY_URL"],
            prefix=environment["REGISTRY_PREFIX"],
            username=environment.get("REGISTRY_USERNAME", ""),
            password=environment.get("REGISTRY_PASSWORD", ""),
        )

    def client(self, http: httpx.AsyncClient) -> RegistryClient:
        """Return the registry's client."""
        known = Credentials(self.username, self.password) if self.username else None
        return RegistryClient(self.url, http, credentials=known)
