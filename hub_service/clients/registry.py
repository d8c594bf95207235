"""What hub_service asks of the registry: does it answer, is a version there, delete it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from hub_service.errors import Unavailable, sentence
from oci.client import RegistryClient
from oci.errors import RegistryError
from oci.names import repository, tag
from oci.reference import Digest

READ_ONLY = 405
"""What a registry in maintenance answers to every change."""


class ImageStore:
    """The registry that keeps the saved images.

    `host` is the registry's name in references, as the nodes know it; the client may
    reach the same registry under another address.
    """

    def __init__(self, client: RegistryClient, *, host: str, prefix: str) -> None:
        self._client = client
        self._host = host
        self.prefix = prefix

    @property
    def client(self) -> RegistryClient:
        """Return the registry's client, for reading what others have put there."""
        return self._client

    @property
    def root(self) -> str:
        """What the reference of every image of ours begins with."""
        return f"{self._host}/{self.prefix}/"

    def reference(self, owner: str, name: str, digest: str) -> str:
        """Return what a pod starts; the digest makes it mean one version for ever."""
        return f"{self._host}/{repository(self.prefix, owner, name)}@{digest}"

    def repository(self, owner: str, name: str) -> str:
        """Return where the versions of an image are kept."""
        return repository(self.prefix, owner, name)

    @asynccontextmanager
    async def registry(self) -> AsyncIterator[RegistryClient]:
        """Give the client; what the registry refuses in the block becomes Unavailable."""
        with _translated():
            yield self._client

    async def ping(self) -> None:
        """Raise Unavailable unless the registry answers."""
        with _translated():
            # Again at once: a connection that was kept may lead to a registry that has moved.
            await self._client.ping(attempts=3)

    async def holds(self, owner: str, name: str, digest: str) -> bool:
        """Say whether the manifest of a version is there."""
        with _translated():
            found = await self._client.head_manifest(
                repository(self.prefix, owner, name), str(Digest(digest))
            )
        return found is not None

    async def digest_of(self, owner: str, name: str, number: int) -> str | None:
        """Return the digest that a version's tag names; None when there is no such tag."""
        with _translated():
            found = await self._client.head_manifest(
                repository(self.prefix, owner, name), tag(number)
            )
        return str(found.digest) if found else None

    async def delete(
        self, owner: str, name: str, digest: str, *, attempts: int | None = None
    ) -> None:
        """Delete the manifest of a version; one that is gone is deleted already."""
        with _translated():
            await self._client.delete_manifest(
                repository(self.prefix, owner, name),
                str(Digest(digest)),
                attempts=attempts,
            )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RegistryError as error:
        if error.status == READ_ONLY:
            raise Unavailable(
                "registry_read_only",
                sentence(
                    "The image store is being cleaned up and takes no changes just now. "
                    "Nothing was lost. Try again in a few minutes."
                ),
                details={"why": str(error)},
            ) from error
        raise Unavailable(
            "registry_unavailable",
            sentence(
                "The image store did not answer. Your desktop is unharmed and nothing was lost. "
                "Try again in a minute."
            ),
            details={"why": str(error)},
        ) from error
