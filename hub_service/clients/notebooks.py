"""Kubeflow's Notebooks: a desktop is `namespace/name`, and the cluster says who may save it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hub_service.clients.hub import RunningServer
from hub_service.clients.kube import Cluster, SessionPod, session_of
from hub_service.clients.reviews import PodIdentity, Reviews
from hub_service.clients.site import cannot_stop
from hub_service.errors import Forbidden, sentence
from hub_service.models import Person, Server

LABEL, SET = "notebook-name", "statefulset"
"""What Kubeflow's controller writes on the pod of a Notebook: the Notebook's name, twice."""


class Notebooks:
    """Notebooks of some namespaces; as a server, `user` is the namespace.

    - a Notebook's pod is the one that its StatefulSet makes, `<name>-0`: a label alone, which
      anybody with rights in the namespace can write on any pod, makes none
    - only Kubeflow itself starts and stops them, and tells us of neither
    """

    stops = False
    owners_alone = False
    tells_starts = False

    def __init__(
        self, cluster: Cluster, reviews: Reviews, namespaces: Sequence[str]
    ) -> None:
        self._cluster = cluster
        self._reviews = reviews
        self._namespaces = tuple(namespaces)

    def container(self, server: Server) -> str:
        """Return the container that has the Notebook's name, as Kubeflow's controller wants it."""
        return server.name

    async def require_saved_by(self, person: Person, server: Server) -> None:
        """Raise Forbidden unless the person may update the Notebook, by the cluster's rules.

        Administrators of images are no exception: a save reads what is in a desktop.
        """
        if person.session not in (None, server):
            raise Forbidden(
                "not_this_server",
                sentence(
                    "A program in a desktop can save that desktop only. Save this one from its "
                    "own window or from the page My running desktops."
                ),
            )
        if server.user not in self._namespaces:
            raise Forbidden(
                "namespace_not_served",
                sentence(
                    "Desktops of the namespace {namespace} cannot be saved here. An "
                    "administrator can add it to kubeflow.notebooks.namespaces."
                ),
                namespace=server.user,
            )
        if not await self._reviews.may_update(person.name, server.user, server.name):
            raise Forbidden(
                "not_your_notebook",
                sentence(
                    "{user} may not save the desktop {name} of the namespace {namespace}: that "
                    "needs the right to update this Notebook. Its owner can make you a "
                    "contributor."
                ),
                user=person.name,
                name=server.name,
                namespace=server.user,
            )

    async def pod(self, server: Server) -> SessionPod | None:
        """Return the pod of a Notebook; None when there is none."""
        for pod in await self._pods(server.user):
            if _notebook(pod) == server.name:
                return session_of(pod, server.name)
        return None

    async def of_pod(self, identity: PodIdentity) -> Server | None:
        """Return the Notebook that a pod is; None when it is another pod."""
        for pod in await self._pods(identity.namespace):
            if (pod.metadata.name, pod.metadata.uid) == (identity.name, identity.uid):
                return Server(identity.namespace, _notebook(pod))
        return None

    async def servers(self, user: str) -> list[RunningServer]:
        """Return the Notebooks that a person may save."""
        found = await self._all()
        may = await asyncio.gather(
            *(self._reviews.may_update(user, one.user, one.name) for one, _ in found)
        )
        return [
            RunningServer(
                server,
                ready=pod.status.phase == "Running",
                started=pod.status.start_time,
                url=f"/notebook/{server.user}/{server.name}/",
                options={},
            )
            for (server, pod), allowed in zip(found, may, strict=True)
            if allowed
        ]

    async def images_of(self, user: str) -> dict[Server, str]:
        """Return what the Notebooks were started from, whoever asks."""
        found = await self._all()
        return {server: session_of(pod, server.name).image for server, pod in found}

    async def images(self) -> set[str]:
        """Return what all of them were started from."""
        return set((await self.images_of("")).values())

    async def person(self, name: str) -> Person | None:
        """Return the name alone: nobody can be asked who else there is."""
        return Person(name)

    async def keep_alive(self, server: Server) -> None:
        """Do nothing: Kubeflow looks at the Notebook's own activity."""

    async def stop(self, server: Server) -> None:
        """Refuse."""
        raise cannot_stop()

    async def _all(self) -> list[tuple[Server, Any]]:
        every = await asyncio.gather(*map(self._pods, self._namespaces))
        return [
            (Server(namespace, _notebook(pod)), pod)
            for namespace, pods in zip(self._namespaces, every, strict=True)
            for pod in pods
        ]

    async def _pods(self, namespace: str) -> list[Any]:
        """Return the pods of Notebooks, of a namespace that is ours to look into."""
        if namespace not in self._namespaces:
            return []
        pods = await self._cluster.pods(LABEL, namespace=namespace)
        return [
            pod
            for pod in pods
            if pod.metadata.name == f"{_notebook(pod)}-0"
            and pod.metadata.labels.get(SET) == _notebook(pod)
            and not pod.metadata.deletion_timestamp
        ]


def _notebook(pod: Any) -> str:
    return str(pod.metadata.labels[LABEL])
