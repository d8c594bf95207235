"""Where desktops run, and who people are there: at a JupyterHub, or in a Kubeflow."""

from typing import Protocol

from hub_service.clients.hub import HubClient, RunningServer
from hub_service.clients.kube import Cluster, SessionPod
from hub_service.errors import Conflict, sentence
from hub_service.models import Person, Server
from hub_service.rules.policy import require_own_server


class Site(Protocol):
    """What is asked of the place, whichever it is."""

    stops: bool
    """Whether desktops can be stopped from here."""
    tells_starts: bool
    """Whether each start of a version is reported."""
    owners_alone: bool
    """Whether nobody but its owner runs anything in a desktop."""

    def container(self, server: Server) -> str:
        """Return the container of its pod that is the desktop."""

    async def require_saved_by(self, person: Person, server: Server) -> None:
        """Raise Forbidden unless the person may save this desktop."""

    async def pod(self, server: Server) -> SessionPod | None:
        """Return the pod of a desktop; None when there is none."""

    async def servers(self, user: str) -> list[RunningServer]:
        """Return the desktops of a person that run or are about to."""

    async def images_of(self, user: str) -> dict[Server, str]:
        """Return what each desktop of a person was started from."""

    async def images(self) -> set[str]:
        """Return what all desktops that are there were started from."""

    async def person(self, name: str) -> Person | None:
        """Return a person with their groups; None when nobody is known by that name."""

    async def keep_alive(self, server: Server) -> None:
        """See to it that nobody stops a desktop as idle while it is saved."""

    async def stop(self, server: Server) -> None:
        """Stop a desktop; one that does not run is stopped already."""


class HubSite:
    """JupyterHub's servers: each is its user's own, and nobody else saves it."""

    stops = True
    tells_starts = True
    owners_alone = True

    def __init__(self, hub: HubClient, cluster: Cluster) -> None:
        self._cluster = cluster
        self.servers = hub.servers
        self.person = hub.person
        self.keep_alive = hub.keep_alive
        self.stop = hub.stop
        self.pod = cluster.session_pod
        self.images = cluster.session_images

    def container(self, server: Server) -> str:
        """Return the one that KubeSpawner makes."""
        return self._cluster.container

    async def require_saved_by(self, person: Person, server: Server) -> None:
        """Ask nobody: the server's name says whose it is."""
        require_own_server(person, server)

    async def images_of(self, user: str) -> dict[Server, str]:
        """Return what each server of a person was started from."""
        found = await self._cluster.images_of(user)
        return {Server(user, name): image for name, image in found.items()}


def cannot_stop() -> Conflict:
    """Return what is said where desktops are not stopped from here."""
    return Conflict(
        "cannot_stop",
        sentence(
            "A desktop of Kubeflow is stopped in Kubeflow's own list of notebooks. This one "
            "runs on, and nothing was changed."
        ),
    )
