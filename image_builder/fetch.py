"""Step 1: brings the files that were sent along with the Dockerfile."""

import asyncio
import os
import tempfile
from pathlib import Path

import httpx

from image_builder.archive import unpack
from image_builder.errors import BuildError
from image_builder.registry import HTTP_TIMEOUT, RegistrySettings
from image_builder.settings import CONTEXT
from oci.errors import RegistryError
from oci.reference import Digest


def fetch() -> None:
    """Unpack the build's context into CONTEXT; a build without one has no such step."""
    repository = os.environ["CONTEXT_REPOSITORY"]
    asyncio.run(bring(repository, Digest(os.environ["CONTEXT_DIGEST"]), CONTEXT))


async def bring(repository: str, digest: Digest, target: Path) -> None:
    """Fetch the archive from the registry and unpack it."""
    with tempfile.NamedTemporaryFile() as archive:
        try:
            async with httpx.AsyncClient(timeout=HTTP_TIMEOUT) as http:
                client = RegistrySettings.read().client(http)
                async with client.open_blob(repository, digest) as chunks:
                    async for chunk in chunks:
                        archive.write(chunk)
        except RegistryError as error:
            raise BuildError(
                "context_gone", f"The files cannot be fetched: {error}"
            ) from error
        archive.flush()
        unpack(Path(archive.name), target)
