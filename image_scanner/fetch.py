"""Step 1: fetches the image into an OCI layout. This step alone holds a credential.

It opens nothing of what it fetches: blobs are files under their digest, whatever is in them.
"""

import asyncio
import base64
import binascii
import fnmatch
import json
import platform
from pathlib import Path
from typing import Any

import httpx

from image_scanner.errors import ScanError
from image_scanner.events import write
from image_scanner.settings import MEBIBYTE, Settings
from oci.auth import Credentials
from oci.client import RegistryClient
from oci.errors import OciError
from oci.manifest import INDEXES, OCI_MANIFEST, Descriptor, Manifest
from oci.reference import Reference, registry_url

HTTP_TIMEOUT = httpx.Timeout(10.0, read=60.0)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def fetch(settings: Settings) -> None:
    """Fetch the image, or end with ScanError."""
    try:
        asyncio.run(_fetch(settings))
    except OciError as error:
        raise ScanError(
            "image_unavailable", "The registry did not give the image.", why=str(error)
        ) from error
    except OSError as error:
        raise ScanError(
            "too_large", "There is no room for the image.", why=str(error)
        ) from error


async def _fetch(settings: Settings) -> None:
    reference = Reference.parse(settings.reference)
    async with httpx.AsyncClient(timeout=HTTP_TIMEOUT) as http:
        client = _client(settings, reference.host, http)
        manifest = await _manifest(client, reference.repository, reference.target)
        content = manifest.json()
        blobs = [Descriptor.from_json(content["config"])]
        blobs += [Descriptor.from_json(one) for one in content.get("layers", ())]
        size = sum(blob.size for blob in blobs)
        if size > settings.disk:
            raise ScanError(
                "too_large", "The image is larger than may be scanned.", bytes=size
            )
        write(f"fetching {size / MEBIBYTE:.0f} MiB")
        await _save(client, reference.repository, blobs, settings.image)
    _layout(settings.image, manifest)


def _client(settings: Settings, host: str, http: httpx.AsyncClient) -> RegistryClient:
    url = registry_url(
        host, any(fnmatch.fnmatchcase(host, glob) for glob in settings.plain_http)
    )
    if host == settings.registry_host and settings.registry_url:
        url = settings.registry_url
    known = credentials(settings.pull_secret, host)
    return RegistryClient(url, http, credentials=known, redirect_hosts=("*",))


async def _manifest(client: RegistryClient, repository: str, target: str) -> Manifest:
    """Return the image's manifest; of several platforms' the one of this machine."""
    manifest = await client.get_manifest(repository, target)
    if manifest and manifest.media_type in INDEXES:
        digest = _of_this_machine(manifest.json())
        manifest = await client.get_manifest(repository, digest) if digest else None
    if manifest is None:
        raise ScanError("image_unavailable", "The registry does not have the image.")
    return manifest


def _of_this_machine(index: dict[str, Any]) -> str:
    wanted = ("linux", ARCHITECTURES.get(platform.machine(), platform.machine()))
    for one in index.get("manifests", ()):
        place = one.get("platform") or {}
        if (place.get("os"), place.get("architecture")) == wanted:
            return str(one["digest"])
    return ""


async def _save(
    client: RegistryClient, repository: str, blobs: list[Descriptor], folder: Path
) -> None:
    """Write blobs under their digests; one that is not what it says ends the step."""
    for blob in blobs:
        file = _place(folder, blob.digest.algorithm, blob.digest.hex)
        async with client.open_blob(repository, blob.digest, blob.size) as chunks:
            with file.open("wb") as target:
                async for chunk in chunks:
                    target.write(chunk)


def _layout(folder: Path, manifest: Manifest) -> None:
    """Write what makes a layout of the folder. Format: OCI image layout 1.1."""
    descriptor = Descriptor(
        manifest.media_type or OCI_MANIFEST, manifest.digest, len(manifest.data)
    )
    digest = descriptor.digest
    _place(folder, digest.algorithm, digest.hex).write_bytes(manifest.data)
    index = {"schemaVersion": 2, "manifests": [descriptor.to_json()]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _place(folder: Path, algorithm: str, name: str) -> Path:
    file = folder / "blobs" / algorithm / name
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def credentials(secret: Path | None, host: str) -> Credentials | None:
    """Return what a docker configuration has for a host; None = ask without."""
    if secret is None or not secret.is_file():
        return None
    known = json.loads(secret.read_text()).get("auths", {}).get(host)
    if not known:
        return None
    if "auth" in known:
        try:
            pair = base64.b64decode(known["auth"]).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        username, _, password = pair.partition(":")
        return Credentials(username, password)
    return Credentials(known.get("username", ""), known.get("password", ""))
