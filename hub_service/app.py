"""The program: reads its configuration, starts the loops and the server."""

import asyncio
import hashlib
import logging
import signal
from pathlib import Path
from typing import Any

import httpx
from jupyterhub._data import DATA_FILES_PATH
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.services.auth import HubOAuth
from sqlalchemy import Engine
from tornado.httpserver import HTTPServer
from tornado.web import Application as TornadoApplication
from tornado.web import StaticFileHandler
from traitlets import TraitError

from hub_service.assembly import Assembly, Place
from hub_service.clients.hub import HubClient
from hub_service.clients.kube import Cluster
from hub_service.clients.notebooks import Notebooks
from hub_service.clients.reviews import Reviews
from hub_service.clients.site import HubSite
from hub_service.handlers import default_handlers, hub_handlers
from hub_service.handlers.login import HubLogin, KubeflowLogin, Login
from hub_service.services import Services
from hub_service.settings import KUBEFLOW, SECRET_LENGTH, ServiceSettings
from hub_service.stores.database import open_database

STATIC = Path(__file__).parent / "static"
HUB_STATIC = Path(DATA_FILES_PATH) / "static"
"""JupyterHub's stylesheet and pictures, for pages that have no hub beside them."""
KUBEFLOW_PREFIX = "/services/desktops/"
AGENT_TIMEOUT = httpx.Timeout(10.0, read=60.0)
"""A preview walks all that changed; 60 s are enough for a million entries."""


class HubService(ServiceSettings):
    """The catalogue of desktop images and the jobs that make them."""

    name = "hub_service"
    raise_config_file_errors = True
    aliases = {"config": "HubService.config_file"}

    def initialize(self, argv: list[str] | None = None) -> None:
        """Read command line and configuration file."""
        super().initialize(argv)
        if self.config_file:
            self.load_config_file(self.config_file)
        # By number or by name; traitlets has no type for that.
        level: Any = self.log_level
        logging.basicConfig(
            level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )
        # A line for each call to the agents and the registry, twice a second, tells nobody
        # anything; what fails is logged where it fails.
        for chatty in ("httpx", "httpcore", "tornado.access"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        # It warns of each request that needs no XSRF token; what is wrong are errors.
        logging.getLogger("tornado.application").setLevel(logging.ERROR)

    def start(self) -> None:
        """Run until the process is told to end."""
        asyncio.run(self.main())

    async def main(self) -> None:
        """Serve and reconcile; end cleanly on SIGTERM and SIGINT."""
        engine = open_database(self.database_url)
        cluster = Cluster.in_cluster(
            self.namespace, container=self.container_name, agent_port=self.agent_port
        )
        async with httpx.AsyncClient(timeout=AGENT_TIMEOUT) as http:
            place, login = self.place(http, cluster)
            services = self.build(engine, http, cluster, place)
            server = HTTPServer(self.web(services, login), xheaders=True)
            server.listen(self.port, self.address)
            self.log.info("Listening on port %d", self.port)
            loops = [asyncio.create_task(one) for one in services.loops()]
            try:
                await self._told_to_end(loops)
            finally:
                server.stop()
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)
                await services.follower.close()
                await cluster.close()
                await JupyterHubHTTPClient.loop_instance().close()
                engine.dispose()

    async def _told_to_end(self, loops: list[asyncio.Task[None]]) -> None:
        """Wait for a signal; a loop that ended by itself ends the program too."""
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        waiting = asyncio.create_task(told.wait(), name="signals")
        await asyncio.wait({*loops, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for loop in loops:
            if loop.done():
                loop.result()

    def place(self, http: httpx.AsyncClient, cluster: Cluster) -> tuple[Place, Login]:
        """Return where the service is, and who says there who asks."""
        if self.auth == KUBEFLOW:
            return self._in_kubeflow(cluster)
        auth = HubOAuth.instance(parent=self, cache_max_age=self.person_cache)
        hub = HubClient(http, auth.api_url, auth.api_token)
        site, secret = HubSite(hub, cluster), _secret(auth.api_token)
        return Place(site, auth.base_url, self.hub_prefix, secret), HubLogin(auth)

    def _in_kubeflow(self, cluster: Cluster) -> tuple[Place, Login]:
        if len(self.kubeflow_gateway_secret) < SECRET_LENGTH:
            # An empty one would let everybody in.
            raise TraitError(
                f"kubeflow_gateway_secret needs at least {SECRET_LENGTH} characters"
            )
        reviews = Reviews(cluster.api_client, audience=self.kubeflow_audience)
        site = Notebooks(cluster, reviews, self.kubeflow_notebook_namespaces)
        login = KubeflowLogin(
            site,
            reviews,
            secret=self.kubeflow_gateway_secret,
            header=self.kubeflow_user_header,
            prefix=self.kubeflow_user_prefix,
            admins=self.kubeflow_admins,
            robots=self.kubeflow_robots,
        )
        secret = _secret(self.kubeflow_gateway_secret)
        return Place(site, KUBEFLOW_PREFIX, "", secret), login

    def build(
        self, engine: Engine, http: httpx.AsyncClient, cluster: Cluster, place: Place
    ) -> Services:
        """Build the objects of the service around what talks to the outside."""
        return Assembly(self, engine, http, cluster).services(place)

    def web(self, services: Services, login: Login) -> TornadoApplication:
        """Build the web application."""
        prefix, hub = services.prefix, bool(services.hub_prefix)
        static = {"static": STATIC} | ({} if hub else {"hub-static": HUB_STATIC})
        routes: list[Any] = [
            (f"{prefix}{name}/(.*)", StaticFileHandler, {"path": str(folder)})
            for name, folder in static.items()
        ]
        parts = {"services": services, "login": login}
        routes += [
            (prefix + path, handler, parts)
            for path, handler in [*(hub_handlers if hub else ()), *default_handlers]
        ]
        return TornadoApplication(
            routes,
            cookie_secret=services.cookie_secret,
            xsrf_cookie_kwargs={"path": prefix, "samesite": "Lax"},
            log_function=lambda handler: None,
        )


def _secret(known: str) -> bytes:
    """Return a secret made of one that stays: a restart logs nobody out."""
    return hashlib.sha256(b"cookies:" + known.encode()).digest()
