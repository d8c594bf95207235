"""The program: reads its configuration, starts the loops and the server."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Any

import httpx
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.services.auth import HubOAuth
from sqlalchemy import Engine
from tornado.httpserver import HTTPServer
from tornado.web import Application as TornadoApplication
from tornado.web import StaticFileHandler

from hub_service.assembly import Assembly
from hub_service.clients.kube import Cluster
from hub_service.handlers import default_handlers
from hub_service.services import Services
from hub_service.settings import ServiceSettings
from hub_service.stores.database import open_database

STATIC = Path(__file__).parent / "static"
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
        auth = HubOAuth.instance(parent=self, cache_max_age=self.person_cache)
        cluster = Cluster.in_cluster(
            self.namespace, container=self.container_name, agent_port=self.agent_port
        )
        async with httpx.AsyncClient(timeout=AGENT_TIMEOUT) as http:
            services = self.build(engine, http, cluster, auth)
            server = HTTPServer(self.web(services), xheaders=True)
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

    def build(
        self, engine: Engine, http: httpx.AsyncClient, cluster: Cluster, auth: HubOAuth
    ) -> Services:
        """Build the objects of the service around what talks to the outside."""
        return Assembly(self, engine, http, cluster).services(auth)

    def web(self, services: Services) -> TornadoApplication:
        """Build the web application."""
        routes: list[Any] = [
            (f"{services.prefix}static/(.*)", StaticFileHandler, {"path": str(STATIC)})
        ]
        routes += [
            (services.prefix + path, handler, {"services": services})
            for path, handler in default_handlers
        ]
        return TornadoApplication(
            routes,
            cookie_secret=services.cookie_secret,
            log_function=lambda handler: None,
        )
