"""The files that people send along with a Dockerfile, kept in the registry until they are built."""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hub_service.clients.registry import ImageStore
from hub_service.errors import NotFound, sentence
from oci.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor
from oci.names import context_repository
from oci.reference import Digest
from oci.upload import bytes_source, file_source

MEDIA_TYPE = "application/vnd.desktops.build.context"
MAX_BYTES = 100 * 1000 * 1000
KEPT = 5
"""How many archives of a person may wait for a build: the next one takes the oldest's place."""
KEPT_SECONDS = 24 * 3600
"""How long files wait for the build that they were sent for."""


@dataclass(frozen=True)
class Context:
    """Where a build finds its files."""

    repository: str
    digest: str


class Contexts:
    """Keeps each archive as an artifact of one blob; its id, a tag, begins with its time.

    The registry survives restarts and is reached by builds anyway; a manifest keeps its garbage
    collection from taking the blob away. Format: OCI image-spec 1.1, guidance for artifacts.
    """

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._prefix = store.prefix

    async def add(self, owner: str, file: Path, digest: str) -> str:
        """Keep an archive; return its id."""
        repository = context_repository(self._prefix, owner)
        blob = Descriptor(MEDIA_TYPE, Digest(digest), file.stat().st_size)
        empty = b"{}"
        config = Descriptor(OCI_CONFIG, Digest.of(empty), len(empty))
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": MEDIA_TYPE,
            "config": config.to_json(),
            "layers": [blob.to_json()],
        }
        id = f"{int(time.time())}-{blob.digest.hex[:24]}"
        async with self._store.registry() as client:
            await client.put_blob(repository, blob, file_source(str(file)))
            await client.put_blob(repository, config, bytes_source(empty))
            await client.put_manifest(
                repository, id, json.dumps(manifest).encode(), OCI_MANIFEST
            )
        return id

    async def find(self, owner: str, id: str) -> Context:
        """Return where an archive is, or raise NotFound."""
        repository = context_repository(self._prefix, owner)
        async with self._store.registry() as client:
            manifest = await client.get_manifest(repository, id)
        if manifest is None:
            raise NotFound(
                "context_not_found",
                sentence(
                    "The files for this build are not here any more. Send them again."
                ),
            )
        return Context(repository, manifest.json()["layers"][0]["digest"])

    async def clean(self, owner: str, used: Collection[str]) -> None:
        """Let go of what nobody waits for any more: all but the used and today's last few."""
        repository = context_repository(self._prefix, owner)
        async with self._store.registry() as client:
            unused = sorted(set(await client.tags(repository)) - set(used), key=_sent)
        old = [id for id in unused if time.time() - _sent(id) > KEPT_SECONDS]
        for id in {*old, *unused[: -KEPT + 1]}:
            await self._remove(repository, id)

    async def remove(self, owner: str, id: str) -> None:
        """Let go of an archive."""
        await self._remove(context_repository(self._prefix, owner), id)

    async def _remove(self, repository: str, id: str) -> None:
        async with self._store.registry() as client:
            found = await client.head_manifest(repository, id)
            if found:
                await client.delete_manifest(repository, str(found.digest))


def _sent(id: str) -> int:
    """Return the second at which an archive was sent, with which its id begins."""
    return int(id.partition("-")[0] or 0)
