"""What a pipeline has pushed: the registries that an administrator has named, and no other."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from hub_service.clients.registry import ImageStore
from hub_service.errors import BadRequest, Forbidden, NotFound, Unavailable, sentence
from oci.client import RegistryClient
from oci.errors import InvalidReference, RegistryError
from oci.manifest import INDEXES, Descriptor, Manifest
from oci.reference import Reference, registry_url

PLATFORM = ("linux", "amd64")
"""Whose size is shown of an image that is there for several."""


@dataclass(frozen=True)
class PushedImage:
    """An image that is in its registry."""

    name: str
    """As it was given."""
    reference: str
    """Repository and digest: what a pod starts."""
    digest: str
    layers: tuple[Descriptor, ...]


class PushedImages:
    """Finds images in registries of the list; an entry is a host, or a host and a path below it."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        store: ImageStore,
        *,
        registries: Sequence[str],
        plain_http: Sequence[str],
    ) -> None:
        self._http = http
        self._store = store
        self._registries = registries
        self._plain_http = plain_http

    async def find(self, text: str) -> PushedImage:
        """Return the image; its registry is asked for the digest, whatever was given."""
        reference = self._read(text)
        try:
            manifest = await self._manifest(reference)
        except RegistryError as error:
            raise Unavailable(
                "registry_unavailable",
                sentence(
                    "The registry {host} did not give the image. Nothing was changed. Try again "
                    "in a minute."
                ),
                details={"why": str(error)},
                host=reference.host,
            ) from error
        except InvalidReference as error:
            raise _broken(text) from error
        return manifest

    def _read(self, text: str) -> Reference:
        try:
            reference = Reference.parse(text)
        except InvalidReference as error:
            raise BadRequest(
                "reference_invalid",
                sentence("{reference} is no image reference."),
                reference=text,
            ) from error
        place = f"{reference.host}/{reference.repository}"
        if is_below(place, self._registries):
            return reference
        raise Forbidden(
            "registry_not_allowed",
            sentence(
                "Images of {place} are not published here: an administrator has not put it on "
                "the list of registries."
            ),
            place=place,
        )

    async def _manifest(self, reference: Reference) -> PushedImage:
        client = self._client(reference.host)
        top = await client.get_manifest(reference.repository, reference.target)
        if top is None:
            raise NotFound(
                "image_not_pushed",
                sentence("There is no image {reference}. Push it first."),
                reference=str(reference),
            )
        own: Manifest | None = top
        if top.media_type in INDEXES:
            digest = _of_platform(top.json())
            own = await client.get_manifest(reference.repository, digest)
        layers = _layers(own, str(reference)) if own else ()
        fixed = reference.with_tag(None).with_digest(top.digest)
        return PushedImage(str(reference), str(fixed), str(top.digest), layers)

    def _client(self, host: str) -> RegistryClient:
        if self._store.root.startswith(f"{host}/"):
            return self._store.client
        plain = any(fnmatch.fnmatchcase(host, glob) for glob in self._plain_http)
        return RegistryClient(registry_url(host, plain), self._http, attempts=2)


def is_below(repository: str, registries: Sequence[str]) -> bool:
    """Say whether it is one of these, or below one: each is a host, or a host and a path."""
    return any(
        repository == one or repository.startswith(f"{one.rstrip('/')}/")
        for one in registries
    )


def _of_platform(index: dict[str, Any]) -> str:
    """Return the digest of the image for the usual machine, or of the first one."""
    try:
        every = list(index["manifests"])
        known = [
            one
            for one in every
            if (one.get("platform") or {}).get("os") == PLATFORM[0]
            and one["platform"].get("architecture") == PLATFORM[1]
        ]
        return str((known or every)[0]["digest"])
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise _broken("index") from error


def _layers(manifest: Manifest, name: str) -> tuple[Descriptor, ...]:
    try:
        found = manifest.json()["layers"]
        return tuple(Descriptor.from_json(one) for one in found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _broken(name) from error


def _broken(reference: str) -> BadRequest:
    return BadRequest(
        "image_broken",
        sentence("{reference} is no image that a desktop could be started from."),
        reference=reference,
    )
