"""A whole hub_service in this process, between real servers that play its neighbours.

- `world`: the service with a fake hub, Kubernetes API, agent and registry
- `world.client(token)`: an HTTP client of the API with that token
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.services.auth import HubOAuth
from kubernetes.aio import client as kubernetes
from sqlalchemy import Engine
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from traitlets.config import Config

from hub_service.app import HubService
from hub_service.clients.kube import Cluster
from hub_service.services import Services
from hub_service.stores.database import open_database
from tests.fakes.agent import FakeAgent
from tests.fakes.hub import READ, WRITE, FakeHub
from tests.fakes.kubernetes_api import FakeKubernetes
from tests.fakes.registry import FakeRegistry

PREFIX = "/services/desktops/"
TEMPLATE = Path(__file__).parent / "build.json"
CLEANUP = Path(__file__).parent / "cleanup.json"
START_TEST = Path(__file__).parent / "start_test.json"
SCAN = Path(__file__).parent / "scan.json"
BASE = "example.org/desktops/base:1"


@dataclass
class World:
    """The service and its neighbours."""

    hub: FakeHub
    cluster: FakeKubernetes
    agent: FakeAgent
    registry: FakeRegistry
    folder: Path
    addresses: dict[str, str]
    services: Services | None = None
    url: str = ""
    start_tests: bool = False
    """Whether versions are tried."""
    scans: dict[str, Any] | None = None
    """What is configured of scans; None = nothing is scanned."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What else is configured."""
    database: str = ""
    """Its URL; default: an SQLite file."""
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, token: str = "", **headers: str) -> httpx.AsyncClient:
        """Return a client of the API."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        client = httpx.AsyncClient(
            base_url=f"{self.url}{PREFIX}api/v1", headers=headers
        )
        self.clients.append(client)
        return client

    def alice(self, **headers: str) -> httpx.AsyncClient:
        """Return the client of a user with a running desktop."""
        token = self.hub.add_user("alice", READ, WRITE)
        self.hub.add_server("alice")
        self.cluster.add_session("alice")
        return self.client(token, **headers)

    async def ended(self, client: httpx.AsyncClient, id: str) -> dict[str, Any]:
        """Wait until a job has its end."""
        for _ in range(1000):
            job: dict[str, Any] = (await client.get(f"/jobs/{id}")).json()
            if job["state"] not in ("queued", "running"):
                return job
            await asyncio.sleep(0.05)
        raise AssertionError(f"the job did not end: {job}")

    async def saved(
        self, client: httpx.AsyncClient, title: str = "GIS course"
    ) -> dict[str, Any]:
        """Save the client's default server and wait for the end."""
        reply = await client.post("/commits", json=save_of("alice", title))
        assert reply.status_code == 202, reply.text
        return await self.ended(client, reply.json()["id"])

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until something is so."""
        for _ in range(1000):
            if true():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it did not happen")

    async def emptied(self, repository: str) -> None:
        """Wait until the registry has no manifest of a repository any more."""
        await self.until(lambda: not self.registry.manifests[repository])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Services]:
        """Run hub_service until the end of the block; once more is a restart of it."""
        async with AsyncExitStack() as stack:
            engine = open_database(
                self.database or f"sqlite:///{self.folder}/desktops.sqlite"
            )
            stack.callback(engine.dispose)
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=5))
            self.services, server = await self._start(stack, engine, http)
            loops = [asyncio.create_task(one) for one in self.services.loops()]
            try:
                yield self.services
            finally:
                server.stop()
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)
                await self.services.follower.close()
                await JupyterHubHTTPClient.loop_instance().close()
                await server.close_all_connections()

    async def _start(
        self, stack: AsyncExitStack, engine: Engine, http: httpx.AsyncClient
    ) -> tuple[Services, HTTPServer]:
        token = self.folder / "agent-token"
        token.write_text("agent-token\n")
        app = HubService(
            registry_url=self.addresses["registry"],
            agent_token_file=str(token),
            reconcile_interval=0.02,
            build_template_file=str(TEMPLATE),
            build_bases={"remote-desktop": BASE},
            build_titles={"remote-desktop": "Remote Desktop"},
            cleanup_template_file=str(CLEANUP),
            cleanup_hour=-1,
            kubeflow_namespace="kubeflow",
            start_test_template_file=str(START_TEST) if self.start_tests else "",
            scan_template_file="" if self.scans is None else str(SCAN),
            **(self.scans or {}),
            **self.settings,
        )
        HubOAuth.clear_instance()
        HubOAuth.instance(config=self._auth_config())
        stack.callback(HubOAuth.clear_instance)
        cluster = await self._cluster(stack)
        place, login = app.place(http, cluster)
        services = app.build(engine, http, cluster, place)
        server = HTTPServer(app.web(services, login))
        [socket] = bind_sockets(0, "127.0.0.1")
        server.add_socket(socket)
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        return services, server

    def _auth_config(self) -> Config:
        return Config(
            {
                "HubOAuth": {
                    "api_token": "service-token",
                    "api_url": self.addresses["hub"],
                    "base_url": PREFIX,
                    "hub_prefix": "/hub/",
                    "oauth_client_id": "service-desktops",
                    "access_scopes": {"access:services!service=desktops"},
                    "cache_max_age": 0,
                }
            }
        )

    async def _cluster(self, stack: AsyncExitStack) -> Cluster:
        configuration = kubernetes.Configuration(host=self.addresses["kubernetes"])
        api = kubernetes.CoreV1Api(kubernetes.ApiClient(configuration))
        port = int(self.addresses["agent"].rpartition(":")[2])
        cluster = Cluster(
            api, namespace="desktops", container="notebook", agent_port=port
        )
        stack.push_async_callback(cluster.close)
        return cluster


@asynccontextmanager
async def neighbourhood(folder: Path) -> AsyncIterator[World]:
    """Run everything but hub_service itself until the end of the block."""
    async with AsyncExitStack() as stack:
        registry = stack.enter_context(FakeRegistry())
        hub, cluster, agent = FakeHub(), FakeKubernetes(), FakeAgent(registry.url)
        addresses = {
            "registry": registry.url,
            "hub": await stack.enter_async_context(hub.running()),
            "kubernetes": await stack.enter_async_context(cluster.running()),
            "agent": await stack.enter_async_context(agent.running()),
        }
        cluster.add_agent("127.0.0.1")
        cluster.add_registry(registry)
        world = World(hub, cluster, agent, registry, folder, addresses)
        yield world
        for client in world.clients:
            await client.aclose()


@pytest.fixture
async def neighbours(tmp_path: Path) -> AsyncIterator[World]:
    """Everything but hub_service itself."""
    async with neighbourhood(tmp_path) as world:
        yield world


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running."""
    async with neighbours.serving():
        yield neighbours


def save_of(user: str, title: str = "GIS course", **fields: Any) -> dict[str, Any]:
    """Return the request that saves a user's default server."""
    return {
        "server": {"user": user},
        "image": title,
        "description": "adds QGIS",
        **fields,
    }
