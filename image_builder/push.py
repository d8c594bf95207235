"""Step 4: sends the image to the registry. This step alone holds the registry's password."""

import asyncio
import fnmatch
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from image_builder.contents import changes
from image_builder.errors import BuildError
from image_builder.events import tell
from image_builder.layout import Layout, regular
from image_builder.registry import HTTP_TIMEOUT, RegistrySettings
from image_builder.settings import BASES, IMAGE
from oci.client import RegistryClient
from oci.errors import OciError, RegistryError
from oci.manifest import OCI_MANIFEST, Descriptor
from oci.names import mirror_repository
from oci.reference import Reference, registry_url
from oci.upload import file_source


@dataclass(frozen=True)
class Target:
    """Where the image goes."""

    repository: str
    tag: str
    known: frozenset[str] = frozenset()
    """The digests of the versions that are there already."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Target":
        """Read REPOSITORY, TAG and KNOWN."""
        known = frozenset(environment.get("KNOWN", "").split())
        return cls(environment["REPOSITORY"], environment["TAG"], known)


@dataclass(frozen=True)
class Base:
    """The image below the result."""

    name: str
    digest: str
    layers: tuple[Descriptor, ...]

    def to_dict(self) -> dict[str, str]:
        """Return the wire's form."""
        return {"name": self.name, "digest": self.digest}


def push() -> None:
    """Send the image and tell the result."""
    bases = json.loads(regular(BASES).read_text())
    plain = os.environ.get("PLAIN_HTTP", "").split()
    layout = Layout.open(IMAGE)
    try:
        asyncio.run(send(RegistrySettings.read(), Target.read(), layout, bases, plain))
    except RegistryError as error:
        raise BuildError(
            "registry_unavailable",
            "The image store did not take the image.",
            why=str(error),
        ) from error


async def send(
    settings: RegistrySettings,
    target: Target,
    layout: Layout,
    bases: dict[str, str],
    plain: Sequence[str],
) -> None:
    """Push blobs, then the manifest, by digest first; what is there is not sent again."""
    async with httpx.AsyncClient(timeout=HTTP_TIMEOUT) as http:
        base = await base_of(layout, bases, http, plain)
        sender = Sender(settings, target.repository, layout, http)
        await sender.blobs(base.layers)
        for name in (layout.descriptor.digest, target.tag):
            await sender.client.put_manifest(
                target.repository, name, layout.manifest, OCI_MANIFEST
            )
    known = layout.descriptor.digest in target.known
    tell(result=result_of(layout, base, known=known))


def result_of(layout: Layout, base: Base, *, known: bool) -> dict[str, Any]:
    """Return what hub_service records; the same names as in a save's result.

    Of an image that is known already, what is in it is known too: it is not looked at again.
    """
    layers = layout.layers
    new = layers[len(base.layers) :]
    return {
        "digest": str(layout.descriptor.digest),
        "base": base.to_dict(),
        "origin": base.to_dict(),
        "size": sum(layer.size for layer in layers),
        "layers": len(layers),
        "new_bytes": sum(layer.size for layer in new),
        "new_layers": {str(layer.digest): layer.size for layer in new},
        **({} if known else changes(layout, base.layers)),
    }


async def base_of(
    layout: Layout, bases: dict[str, str], http: httpx.AsyncClient, plain: Sequence[str]
) -> Base:
    """Return which of the images that the Dockerfile names the result stands on.

    A registry that does not answer costs no build: the base is then known by name only.
    """
    found = Base(*(next(iter(bases.items()), ("scratch", ""))), ())
    for name, digest in bases.items():
        reference = Reference.parse(name)
        insecure = any(fnmatch.fnmatchcase(reference.host, glob) for glob in plain)
        client = RegistryClient(
            registry_url(reference.host, insecure), http, redirect_hosts=("*",)
        )
        try:
            manifest = await client.get_manifest(reference.repository, digest)
            content = manifest.json() if manifest else {}
        except OciError:
            continue
        layers = tuple(Descriptor.from_json(one) for one in content.get("layers", ()))
        under = [layer.digest for layer in layout.layers[: len(layers)]]
        if under == [layer.digest for layer in layers] and len(layers) > len(
            found.layers
        ):
            found = Base(name, digest, layers)
    return found


class Sender:
    """Brings the blobs of one image into one repository."""

    def __init__(
        self,
        settings: RegistrySettings,
        repository: str,
        layout: Layout,
        http: httpx.AsyncClient,
    ) -> None:
        self.client = settings.client(http)
        self._repository = repository
        self._mirror = mirror_repository(settings.prefix)
        self._layout = layout
        blobs = [*layout.layers, layout.config]
        self._total = sum(blob.size for blob in blobs)
        self._done = 0
        self._told = -1

    async def blobs(self, base: Sequence[Descriptor]) -> None:
        """Send layers and configuration; the base's go by the mirror, where saves find them too."""
        for number, layer in enumerate(self._layout.layers):
            await self._blob(layer, below=number < len(base))
        await self._blob(self._layout.config, below=False)

    async def _blob(self, blob: Descriptor, *, below: bool) -> None:
        if await self.client.head_blob(self._repository, blob.digest) is None:
            if below:
                await self._send(self._mirror, blob)
            if not below or not await self.client.mount_blob(
                self._repository, blob.digest, self._mirror
            ):
                await self._send(self._repository, blob)
        self._done += blob.size
        self._tell(0)

    async def _send(self, repository: str, blob: Descriptor) -> None:
        if await self.client.head_blob(repository, blob.digest) is None:
            source = file_source(str(self._layout.blob(blob.digest)))
            await self.client.put_blob(repository, blob, source, self._tell)

    def _tell(self, sent: int) -> None:
        percent = 100 * (self._done + sent) // max(self._total, 1)
        if percent != self._told:
            self._told = percent
            tell(bytes=[self._done + sent, self._total])
