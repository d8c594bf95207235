"""Use-case: start the version of an image that is meant, also where an older one still runs."""

import asyncio
import time
from dataclasses import dataclass

from hub_service.clients.hub import RunningServer
from hub_service.clients.site import Site
from hub_service.errors import NotFound, sentence
from hub_service.images.images import Images
from hub_service.models import Image, Person, Server, Version
from hub_service.rules.policy import startable_version

# A desktop ends within seconds; after that the hub's own page says that it is stopping.
_STOPPED_WITHIN = 30.0
_EVERY = 0.5


@dataclass(frozen=True)
class Start:
    """What starting an image comes to for one person."""

    image: Image
    version: Version
    """The one that starts."""
    server: Server
    running: RunningServer | None
    """The server of that name, if it runs already."""
    same: bool
    """It runs that very version."""
    older: Version | None
    """Another version of the image, which it runs; None = it runs something else."""


class Starting:
    """Each image starts as a server that is named like it, so only one version of it can run."""

    def __init__(self, images: Images, site: Site) -> None:
        self._images = images
        self._site = site

    async def look(self, person: Person, owner: str, name: str) -> Start:
        """Return what would happen; NotFound when there is nothing to start."""
        image = self._images.seen(person, owner, name)
        version = startable_version(person, image)
        if version is None:
            raise NotFound(
                "version_not_found", sentence("This image has no version to start yet.")
            )
        server = Server(person.name, name)
        running = await self._running(server)
        if running is None:
            return Start(image, version, server, None, False, None)
        pod = await self._site.pod(server)
        started = pod.image.rpartition("@")[2] if pod else ""
        older = next((one for one in image.versions if one.digest == started), None)
        same = started == version.digest
        return Start(image, version, server, running, same, older)

    async def stop(self, server: Server) -> None:
        """Stop a server, and wait until it has ended or that takes long."""
        await self._site.stop(server)
        end = time.monotonic() + _STOPPED_WITHIN
        while time.monotonic() < end and await self._running(server):
            await asyncio.sleep(_EVERY)

    async def _running(self, server: Server) -> RunningServer | None:
        for one in await self._site.servers(server.user):
            if one.server == server:
                return one
        return None
