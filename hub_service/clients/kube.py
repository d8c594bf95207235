"""The only Kubernetes client: finds the pod of a desktop and the agent of a node."""

import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from hub_service.errors import Unavailable, sentence
from hub_service.models import Server

TIMEOUT = 15
"""Seconds for a whole call."""

AGENTS = "app.kubernetes.io/name=desktops,app.kubernetes.io/component=snapshot-agent"
"""The labels of the agents' pods."""

AGENT_MEMORY = 5.0
"""Seconds for which an agent's address is believed: fifty saves ask for it twice a second."""


@dataclass(frozen=True)
class SessionPod:
    """The pod in which a desktop runs."""

    uid: str
    name: str
    node: str
    image: str
    running: bool


class Cluster:
    """Reads pods."""

    def __init__(
        self, api: client.CoreV1Api, *, namespace: str, container: str, agent_port: int
    ) -> None:
        self._api = api
        self._namespace = namespace
        self.container = container
        self._agent_port = agent_port
        self._agents: dict[str, tuple[str, float]] = {}

    @classmethod
    def in_cluster(
        cls, namespace: str, *, container: str, agent_port: int
    ) -> "Cluster":
        """Use the ServiceAccount of the pod that this program runs in."""
        config.load_incluster_config()  # type: ignore[no-untyped-call]
        api = client.CoreV1Api(client.ApiClient())
        return cls(api, namespace=namespace, container=container, agent_port=agent_port)

    async def session_pod(self, server: Server) -> SessionPod | None:
        """Return the pod of a server; None when there is none.

        KubeSpawner keeps the names as people wrote them in annotations; its labels are
        slugs of them.
        """
        for pod in await self.pods("component=singleuser-server"):
            notes: Mapping[str, str] = pod.metadata.annotations or {}
            named = (
                notes.get("hub.jupyter.org/username"),
                notes.get("hub.jupyter.org/servername", ""),
            )
            if (
                named == (server.user, server.name)
                and not pod.metadata.deletion_timestamp
            ):
                return session_of(pod, self.container)
        return None

    async def images_of(self, user: str) -> dict[str, str]:
        """Return what each server of a person was started from, by the server's name."""
        found = {}
        for pod in await self.pods("component=singleuser-server"):
            notes: Mapping[str, str] = pod.metadata.annotations or {}
            if notes.get("hub.jupyter.org/username") == user:
                name = notes.get("hub.jupyter.org/servername", "")
                found[name] = session_of(pod, self.container).image
        return found

    async def session_images(self) -> set[str]:
        """Return what the desktops that are there were started from."""
        pods = await self.pods("component=singleuser-server")
        return {session_of(pod, self.container).image for pod in pods}

    async def agent_on(self, node: str) -> str:
        """Return the base URL of a node's agent, or raise Unavailable."""
        known, at = self._agents.get(node, ("", 0.0))
        if time.monotonic() - at < AGENT_MEMORY:
            return known
        found = await self.agents(f"spec.nodeName={node}")
        if node in found:
            self._agents[node] = (found[node], time.monotonic())
            return found[node]
        raise Unavailable(
            "agent_unavailable",
            sentence(
                "The program that reads desktops does not run on this desktop's machine. "
                "Your desktop is unharmed. Tell your administrator: machine {node}."
            ),
            node=node,
        )

    async def agents(self, fields: str | None = None) -> dict[str, str]:
        """Return the base URL of each node's agent, by the node's name."""
        return {
            pod.spec.node_name: f"http://{pod.status.pod_ip}:{self._agent_port}"
            for pod in await self.pods(AGENTS, fields)
            if pod.status.pod_ip and not pod.metadata.deletion_timestamp
        }

    @property
    def api_client(self) -> client.ApiClient:
        """The connection to the API server."""
        connection: client.ApiClient = self._api.api_client
        return connection

    async def close(self) -> None:
        """Close the connections."""
        await self._api.api_client.close()

    async def pods(
        self, labels: str, fields: str | None = None, *, namespace: str = ""
    ) -> list[Any]:
        """Return the pods that selectors choose, of our namespace or of another one."""
        call: Awaitable[Any] = self._api.list_namespaced_pod(
            namespace or self._namespace,
            label_selector=labels,
            field_selector=fields,
            _request_timeout=TIMEOUT,
        )
        try:
            return list((await call).items)
        except (ApiException, ClientError, TimeoutError) as error:
            raise Unavailable(
                "cluster_unavailable",
                sentence(
                    "The cluster does not answer. Nothing was changed. Try again in a minute."
                ),
                details={"why": str(error)[:500]},
            ) from error


def session_of(pod: Any, container: str) -> SessionPod:
    """Return what is asked of a desktop's pod; `container` is the desktop in it."""
    images = {one.name: one.image for one in pod.spec.containers}
    return SessionPod(
        uid=pod.metadata.uid,
        name=pod.metadata.name,
        node=pod.spec.node_name or "",
        image=images.get(container, ""),
        running=pod.status.phase == "Running",
    )
