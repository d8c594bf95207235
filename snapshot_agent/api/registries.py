"""Our registry and those that base images come from: who is asked where, and as whom."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from oci.auth import Credentials
from oci.client import RegistryClient
from oci.errors import OciError
from oci.reference import Reference, registry_url

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegistrySettings:
    """Where saved images go, and how other registries are reached."""

    # As nodes and references name it, and as programs in the cluster reach it.
    host: str
    url: str
    prefix: str
    plain_http: tuple[str, ...] = ()
    redirect_hosts: tuple[str, ...] = ()
    attempts: int = 5
    backoff: float = 0.5
    credentials: Mapping[str, Credentials] = field(default_factory=dict, repr=False)


class OpenUploads:
    """The uploads that are open, as one small file each: what is left tells the next agent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def opened(self, repository: str, location: str) -> None:
        self._path(location).write_text(
            json.dumps([repository, location]), encoding="utf-8"
        )

    def closed(self, location: str) -> None:
        self._path(location).unlink(missing_ok=True)

    def left(self) -> list[tuple[str, str]]:
        """Repository and Location of each."""
        found = []
        for path in self._folder.glob("*.upload"):
            try:
                repository, location = json.loads(path.read_text(encoding="utf-8"))
                found.append((str(repository), str(location)))
            except ValueError:
                # Killed while it was being written: the upload had not begun.
                path.unlink(missing_ok=True)
        return found

    def _path(self, location: str) -> Path:
        name = hashlib.sha256(location.encode("utf-8")).hexdigest()
        return self._folder / f"{name}.upload"


class Registries:
    """Clients for one HTTP client, one for each registry.

    - the only registry that is ever written to is the configured one;
    - another one is read from, by digest, when the image of a container came from there.
    """

    def __init__(
        self, settings: RegistrySettings, http: httpx.AsyncClient, uploads: OpenUploads
    ) -> None:
        self.settings = settings
        self._http = http
        self._others: dict[str, RegistryClient] = {}
        url = httpx.URL(settings.url)
        own = settings.credentials
        self.own = RegistryClient(
            settings.url,
            http,
            credentials=own.get(settings.host) or own.get(url.netloc.decode("ascii")),
            redirect_hosts=settings.redirect_hosts,
            attempts=settings.attempts,
            backoff=settings.backoff,
            journal=uploads,
        )
        self._uploads = uploads

    async def close_left_uploads(self) -> int:
        """Close what an agent that was killed has left open in our registry; how many."""
        left = self._uploads.left()
        for repository, location in left:
            try:
                await self.own.cancel_upload(repository, location)
            except OciError as error:
                # The registry forgets it by itself, later.
                log.info("an upload stays open in %s: %s", repository, error)
            self._uploads.closed(location)
        return len(left)

    def is_own(self, reference: Reference) -> bool:
        return reference.host in (
            self.settings.host,
            httpx.URL(self.settings.url).netloc.decode(),
        )

    def of(self, reference: Reference) -> RegistryClient:
        """The client to read an image from."""
        if self.is_own(reference):
            return self.own
        host = reference.host
        if host not in self._others:
            plain = any(
                fnmatch.fnmatchcase(host, glob) for glob in self.settings.plain_http
            )
            self._others[host] = RegistryClient(
                registry_url(host, plain),
                self._http,
                credentials=self.settings.credentials.get(host),
                # Blobs often lie with a storage provider; what comes is checked by digest.
                redirect_hosts=("*",),
                attempts=min(self.settings.attempts, 3),
                backoff=self.settings.backoff,
            )
        return self._others[host]


def parse_docker_config(text: str) -> dict[str, Credentials]:
    """The credentials of a Docker configuration, by host; ValueError when it is none."""
    content: Any = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("a Docker configuration is a JSON object")
    found: dict[str, Credentials] = {}
    for name, entry in (content.get("auths") or {}).items():
        host = name.removeprefix("https://").removeprefix("http://").partition("/")[0]
        pair = (entry.get("username"), entry.get("password"))
        if not all(pair) and entry.get("auth"):
            try:
                decoded = base64.b64decode(entry["auth"], validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise ValueError(
                    f"the credentials for {host} cannot be read"
                ) from error
            username, _, password = decoded.partition(":")
            pair = (username, password)
        if all(pair):
            host = "docker.io" if host == "index.docker.io" else host
            found[host] = Credentials(str(pair[0]), str(pair[1]))
    return found
