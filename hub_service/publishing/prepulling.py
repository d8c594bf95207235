"""What everybody may start is fetched to the nodes before somebody does."""

import asyncio
import logging
from typing import Any

from hub_service.bell import Bell
from hub_service.clients.agent import AgentClient
from hub_service.clients.kube import Cluster
from hub_service.errors import PublicError
from hub_service.stores.stores import Stores

log = logging.getLogger(__name__)

MOST = 1000
"""What an agent takes; no disk holds more."""


class Prepulling:
    """Tells the agent of every node which images are published, again and again.

    - the agent fetches them one by one within its budget; a new node hears of them in a minute
    - `nodes` is how far each one is, for administrators
    """

    def __init__(
        self, stores: Stores, cluster: Cluster, agents: AgentClient, *, interval: float
    ) -> None:
        self._catalogue = stores.catalogue
        self._cluster = cluster
        self._agents = agents
        self._interval = interval
        self._bell = Bell()
        self.nodes: dict[str, list[dict[str, Any]]] = {}

    def wake(self) -> None:
        """Tell them now instead of at the next turn."""
        self._bell.ring()

    async def run(self) -> None:
        """Go on until cancelled; 0 seconds between two turns = never."""
        while self._interval > 0:
            try:
                await self._turn()
            except Exception:
                # A convenience must not end the program.
                log.exception("Fetching images beforehand failed by a defect")
            await self._bell.wait(self._interval)
        await asyncio.Event().wait()

    async def _turn(self) -> None:
        every = [
            {"reference": version.reference, "size": version.size}
            for image in self._catalogue.published()
            if (version := image.published_version)
        ]
        wanted = every[:MOST]
        try:
            agents = await self._cluster.agents()
        except PublicError as error:
            log.info("The agents are not known just now: %s", error)
            return
        found = {}
        for node, agent in agents.items():
            try:
                found[node] = await self._agents.want(agent, wanted)
            except PublicError as error:
                log.info("Node %s does not fetch images beforehand: %s", node, error)
        self.nodes = found
