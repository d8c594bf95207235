"""Reads the configuration, builds the objects, starts the server."""

import asyncio
import hashlib
import json
import logging
import os
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
from traitlets import Dict, Float, Integer, Unicode, default
from traitlets.config import Application

from hub_service.agent_client import AgentClient
from hub_service.build_follower import BuildFollower
from hub_service.builds import Builds, BuildSettings
from hub_service.cleanups import Cleanups, CleanupSettings
from hub_service.commits import Commits
from hub_service.config_maps import ConfigMaps
from hub_service.database import open_database
from hub_service.deployments import Deployments
from hub_service.events import JobFeed
from hub_service.finishing import Finishing
from hub_service.handlers import default_handlers
from hub_service.hub_client import HubClient
from hub_service.images import Images
from hub_service.kube import Cluster
from hub_service.kubeflow import Kubeflow, KubeflowSettings
from hub_service.metrics import Metrics
from hub_service.models import BUILD, COMMIT, START_TEST, Job
from hub_service.openapi import Contract
from hub_service.picture_links import PictureLinks
from hub_service.prepulling import Prepulling
from hub_service.publication_tests import PublicationTests
from hub_service.publishing import Publishing
from hub_service.reconciler import Reconciler
from hub_service.registry import ImageStore
from hub_service.services import Services
from hub_service.start_tests import StartTests, StartTestSettings
from hub_service.stores import Stores
from hub_service.workloads import Workloads
from oci.auth import Credentials
from oci.client import RegistryClient

STATIC = Path(__file__).parent / "static"
AGENT_TIMEOUT = httpx.Timeout(10.0, read=60.0)
"""A preview walks all that changed; 60 s are enough for a million entries."""


class HubService(Application):
    """The catalogue of desktop images and the jobs that make them."""

    name = "hub_service"
    raise_config_file_errors = True
    aliases = {"config": "HubService.config_file"}

    config_file = Unicode(
        "", config=True, help="The configuration file (.py or .json) to read."
    )
    address = Unicode("", config=True, help="The address to listen on; empty = all.")
    port = Integer(8080, config=True, help="The port to listen on.")
    database_url = Unicode(
        config=True,
        help="""
        The database, as SQLAlchemy writes it: an SQLite file, or
        `postgresql+psycopg://user:password@host/name` for PostgreSQL.

        Default: the variable DATABASE_URL, or an SQLite file here.
        """,
    )
    namespace = Unicode(
        "",
        config=True,
        help="The namespace of the desktops' pods. Default: this pod's own.",
    )
    container_name = Unicode(
        "notebook",
        config=True,
        help="The container of a pod that is the desktop. Only set this for other spawners.",
    )
    agent_port = Integer(8090, config=True, help="The port of the snapshot agents.")
    agent_token_file = Unicode(
        "/var/run/secrets/desktops/agent-token",
        config=True,
        help="The file of the projected ServiceAccount token for the agents.",
    )
    registry_url = Unicode(
        "http://registry:5000",
        config=True,
        help="The address of the registry as seen from the cluster's programs.",
    )
    registry_host = Unicode(
        "localhost:30500",
        config=True,
        help="The registry's name in image references, as the nodes know it.",
    )
    registry_prefix = Unicode(
        "desktops", config=True, help="The path below which saved images are kept."
    )
    registry_username = Unicode(
        "", config=True, help="Who may read and delete manifests."
    )
    registry_password = Unicode(
        config=True, help="Default: the variable REGISTRY_PASSWORD."
    )
    hub_prefix = Unicode(
        "/hub/", config=True, help="The path of the hub as people see it."
    )
    reconcile_interval = Float(
        0.5,
        config=True,
        help="Seconds between two looks at the unfinished jobs: how fresh progress is.",
    )

    build_template_file = Unicode(
        "",
        config=True,
        help="The Job and the volume claim of a build, as the chart makes them; empty = no builds.",
    )
    build_bases = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="What a Dockerfile may have behind FROM, and the image that each name means.",
    )
    builds_running = Integer(
        2,
        config=True,
        help="How many builds run at once; each person's run one by one.",
    )
    builds_waiting = Integer(
        5, config=True, help="How many builds of one person may wait."
    )

    registry_deployment = Unicode(
        "registry",
        config=True,
        help="The Deployment of the registry, which a clean-up makes read-only for a while.",
    )
    cleanup_template_file = Unicode(
        "",
        config=True,
        help="The Job that frees the registry's disk, as the chart makes it; empty = none here.",
    )
    cleanup_hour = Integer(
        3,
        min=-1,
        max=23,
        config=True,
        help="The hour (UTC) of the nightly freeing of the registry's disk; -1 = only when asked.",
    )

    prepull_interval = Float(
        60.0,
        config=True,
        help="""
        Seconds after which the agents are told again which images are published, to fetch them
        beforehand; 0 = nothing is fetched before somebody starts it.
        """,
    )
    kubeflow_namespace = Unicode(
        "",
        config=True,
        help="""
        The namespace of a Kubeflow on this cluster, into whose spawner administrators may
        publish images too; empty = none.
        """,
    )
    kubeflow_config_map = Unicode(
        "jupyter-web-app-config",
        config=True,
        help="The ConfigMap of Kubeflow's spawner.",
    )
    kubeflow_key = Unicode(
        "spawner_ui_config.yaml",
        config=True,
        help="The key in it that holds the form.",
    )

    @default("database_url")
    def _default_database_url(self) -> str:
        return os.environ.get("DATABASE_URL", "sqlite:///desktops.sqlite")

    start_test_template_file = Unicode(
        "",
        config=True,
        help="""
        The Job that tries a version, as the chart makes it.

        Empty: nothing is tried, and versions are published as they are.
        """,
    )
    start_tests_running = Integer(
        2, config=True, help="How many start-tests run at once."
    )

    @default("registry_username")
    def _default_registry_username(self) -> str:
        return os.environ.get("REGISTRY_USERNAME", "")

    @default("registry_password")
    def _default_registry_password(self) -> str:
        return os.environ.get("REGISTRY_PASSWORD", "")

    @default("namespace")
    def _default_namespace(self) -> str:
        return os.environ.get("POD_NAMESPACE", "desktops")

    @default("log_level")
    def _default_log_level(self) -> int:
        return logging.INFO

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
        for chatty in ("httpx", "httpcore", "tornado.access", "tornado.application"):
            logging.getLogger(chatty).setLevel(logging.WARNING)

    def start(self) -> None:
        """Run until the process is told to end."""
        asyncio.run(self.main())

    async def main(self) -> None:
        """Serve and reconcile; end cleanly on SIGTERM and SIGINT."""
        engine = open_database(self.database_url)
        auth = HubOAuth.instance(parent=self)
        cluster = Cluster.in_cluster(
            self.namespace, container=self.container_name, agent_port=self.agent_port
        )
        async with httpx.AsyncClient(timeout=AGENT_TIMEOUT) as http:
            services = self.build(engine, http, cluster, auth)
            server = HTTPServer(self.web(services), xheaders=True)
            server.listen(self.port, self.address)
            self.log.info("Listening on port %d", self.port)
            loops = [
                asyncio.create_task(services.reconciler.run(), name="reconciler"),
                asyncio.create_task(services.cleanups.run(), name="cleanups"),
                asyncio.create_task(services.kubeflow.run(), name="kubeflow"),
                asyncio.create_task(services.prepulling.run(), name="prepulling"),
            ]
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
        stores = Stores.open(engine, self._image_store(http))
        hub = HubClient(http, auth.api_url, auth.api_token)
        feed, metrics = JobFeed(), Metrics()
        workloads = Workloads(cluster.api_client, namespace=self.namespace)
        follower = BuildFollower(workloads, stores.logs, feed)
        agents = AgentClient(http, Path(self.agent_token_file))
        tests = StartTests(stores, workloads, follower, self._start_test_settings())
        finishing = Finishing(stores, tests)
        trials = PublicationTests(stores, tests)
        container = self.container_name
        commits = Commits(stores, cluster, agents, hub, finishing, container=container)
        builds = self._builds(stores, workloads, follower, finishing)
        kubeflow = self._kubeflow(stores, cluster)
        prepulling = Prepulling(stores, cluster, agents, interval=self.prepull_interval)

        def ended(job: Job) -> None:
            metrics.job_ended(job)
            if job.kind == START_TEST:
                # It may have published what it tried.
                kubeflow.wake()
                prepulling.wake()

        reconciler = Reconciler(
            jobs=stores.jobs,
            uses={COMMIT: commits, BUILD: builds, START_TEST: trials},
            feed=feed,
            interval=self.reconcile_interval,
            ended=ended,
        )
        secret = _cookie_secret(auth.api_token)
        return Services(
            **vars(stores),
            images=Images(stores, trials),
            publishing=Publishing(stores, trials),
            commits=commits,
            builds=builds,
            cleanups=self._cleanups(stores, workloads, cluster),
            kubeflow=kubeflow,
            prepulling=prepulling,
            follower=follower,
            start_tests=tests,
            reconciler=reconciler,
            feed=feed,
            hub=hub,
            metrics=metrics,
            contract=Contract(),
            hub_prefix=self.hub_prefix,
            prefix=auth.base_url,
            picture_links=PictureLinks(auth.base_url, secret),
            cookie_secret=secret,
        )

    def _cleanups(
        self, stores: Stores, workloads: Workloads, cluster: Cluster
    ) -> Cleanups:
        settings = CleanupSettings(
            job=_template(self.cleanup_template_file),
            registry=self.registry_deployment,
            hour=self.cleanup_hour,
            pause=self.reconcile_interval,
        )
        deployments = Deployments(cluster.api_client, namespace=self.namespace)
        return Cleanups(stores, workloads, deployments, settings)

    def _kubeflow(self, stores: Stores, cluster: Cluster) -> Kubeflow:
        config_maps = None
        if self.kubeflow_namespace:
            api = cluster.api_client
            config_maps = ConfigMaps(api, namespace=self.kubeflow_namespace)
        settings = KubeflowSettings(
            config_map=self.kubeflow_config_map, key=self.kubeflow_key
        )
        return Kubeflow(stores, config_maps, settings)

    def _builds(
        self,
        stores: Stores,
        workloads: Workloads,
        follower: BuildFollower,
        finishing: Finishing,
    ) -> Builds:
        settings = BuildSettings(
            template=_template(self.build_template_file),
            bases=self.build_bases,
            running=self.builds_running,
            waiting=self.builds_waiting,
        )
        return Builds(stores, workloads, follower, finishing, settings)

    def _start_test_settings(self) -> StartTestSettings:
        return StartTestSettings(
            template=_template(self.start_test_template_file),
            running=self.start_tests_running,
        )

    def _image_store(self, http: httpx.AsyncClient) -> ImageStore:
        known = self.registry_username or self.registry_password
        client = RegistryClient(
            self.registry_url,
            http,
            credentials=(
                Credentials(self.registry_username, self.registry_password)
                if known
                else None
            ),
        )
        return ImageStore(client, host=self.registry_host, prefix=self.registry_prefix)

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


def _template(file: str) -> dict[str, Any] | None:
    """Return what the chart has made, None where it made nothing."""
    return dict(json.loads(Path(file).read_text())) if file else None


def _cookie_secret(token: str) -> bytes:
    """Return a secret made of the service's own token: a restart logs nobody out."""
    return hashlib.sha256(b"cookies:" + token.encode()).digest()
