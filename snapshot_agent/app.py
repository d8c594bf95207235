"""The program: reads its configuration, checks its place, and puts the parts together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application as WebApplication
from traitlets.config import catch_config_error

from oci.auth import Credentials

from . import handlers, preflight
from .auth import Gate
from .capture import CaptureSettings
from .commit import CommitSettings, Tools
from .containerd import Containerd
from .exclusions import relative
from .freeze import Freezer
from .images import NodeImages
from .kube import Cluster, KubeCluster
from .limits import raise_file_limit, share_memory
from .logs import log_one_line_each, log_request
from .metrics import Metrics
from .prepull import Prepull, PrepullSettings
from .registries import OpenUploads, Registries, RegistrySettings, parse_docker_config
from .room import Room, quantity
from .saves import Saves
from .settings import AgentSettings
from .spool import Spool

log = logging.getLogger("snapshot_agent")

# How often the agent looks for containers that it should have thawed and could not.
_RECOVER_EVERY = 30.0


class SnapshotAgent(AgentSettings):
    """One agent a node: saves running desktops as images."""

    name = "snapshot-agent"
    description = "Saves the running desktops of this node as images."
    raise_config_file_errors = True
    aliases = {"config": "SnapshotAgent.config_file"}

    @catch_config_error
    def initialize(self, argv: list[str] | None = None) -> None:
        self.parse_command_line(argv)
        if self.config_file:
            # Relative to where the program was started, not to where it lies.
            self.load_config_file(os.path.abspath(self.config_file))
            # The command line wins over the file.
            self.parse_command_line(argv)
        if not self.node_name:
            self.node_name = os.environ.get("NODE_NAME", "")

    def start(self) -> None:
        log_one_line_each()
        share_memory()
        try:
            asyncio.run(self.serve())
        except preflight.NotReady as error:
            log.error("not started: %s", error)
            self.exit(1)

    async def serve(self, cluster: Cluster | None = None) -> None:
        """Run until SIGTERM or SIGINT; NotReady when something needed is missing."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            async with AsyncExitStack() as stack:
                port = await self.open(stack, cluster)
                log.info(
                    "listening address=%s port=%d node=%s",
                    self.address,
                    port,
                    self.node_name,
                )
                await stop.wait()
                log.info("stopping")
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def open(self, stack: AsyncExitStack, cluster: Cluster | None = None) -> int:
        """Check, recover and listen; what was opened is closed with `stack`. The port."""
        spool, state = Path(self.spool_dir), Path(self.state_dir)
        raise_file_limit()
        preflight.check_writable(state, "SnapshotAgent.state_dir")
        preflight.check_writable(spool, "SnapshotAgent.spool_dir")
        containerd = Containerd(self.containerd_socket, self.containerd_namespace)
        stack.callback(containerd.close)
        version = await asyncio.to_thread(
            preflight.check_containerd, containerd, self.containerd_socket
        )
        freezer = Freezer(containerd, state)
        # First of all: a desktop may be standing still since the last agent was killed.
        await asyncio.to_thread(freezer.recover)
        preflight.check_capabilities(
            Path("/proc/self/status").read_text(encoding="ascii")
        )
        preflight.check_roots(self.snapshotter_roots)
        cleaned = Spool.clean(spool)
        log.info("ready containerd=%s spools_cleaned=%d", version, cleaned)
        if cluster is None:
            cluster = await self._cluster(stack)
        http = await stack.enter_async_context(httpx.AsyncClient())
        registries = Registries(self._registry(), http, OpenUploads(spool))
        # In the background of the start: the registry may be away, and saves do not need it.
        closing = asyncio.create_task(registries.close_left_uploads())
        stack.push_async_callback(cancelled, closing)
        room = Room(spool, quantity(self.spool_limit))
        tools = Tools(containerd, freezer, registries, room, self._settings())
        return await self._listen(stack, cluster, tools)

    async def _listen(
        self, stack: AsyncExitStack, cluster: Cluster, tools: Tools
    ) -> int:
        metrics = Metrics()
        saves = Saves(
            cluster, tools, metrics, roots=self.snapshotter_roots, most=self.most_saves
        )
        stack.push_async_callback(saves.close)
        recovery = asyncio.create_task(recover_for_ever(tools.freezer))
        stack.push_async_callback(cancelled, recovery)
        gate = Gate(cluster, self.audience, self.allowed_service_accounts)
        registry = tools.registries.settings
        prepull = self._prepull(stack, registry.credentials.get(registry.host))
        parts = {
            "saves": saves,
            "gate": gate,
            "metrics": metrics,
            "prepull": prepull,
            "root": f"{registry.host}/{registry.prefix}/",
        }
        routes = [(path, handler, parts) for path, handler in handlers.default_handlers]
        web = WebApplication(
            routes,
            default_handler_class=handlers.MissingHandler,
            default_handler_args=parts,
            log_function=log_request,
        )
        server = HTTPServer(web, max_body_size=1 << 20)
        sockets = bind_sockets(self.port, self.address)
        server.add_sockets(sockets)
        stack.push_async_callback(server.close_all_connections)
        stack.callback(server.stop)
        return int(sockets[0].getsockname()[1])

    def _prepull(
        self, stack: AsyncExitStack, credentials: Credentials | None
    ) -> Prepull:
        images = NodeImages(self.containerd_socket)
        stack.callback(images.close)
        settings = PrepullSettings(
            budget=self.prepull_budget,
            keep_free=self.prepull_keep_free,
            disk=self.snapshotter_roots[0],
        )
        prepull = Prepull(images, settings, credentials)
        stack.push_async_callback(cancelled, asyncio.create_task(prepull.run()))
        return prepull

    async def _cluster(self, stack: AsyncExitStack) -> Cluster:
        if not self.node_name:
            raise preflight.NotReady(
                "the node's name is not known: set NODE_NAME from spec.nodeName"
            )
        cluster = await KubeCluster.connect(
            kubeconfig=self.kubeconfig,
            node=self.node_name,
            namespaces=self.namespaces,
            label_selector=self.session_selector,
        )
        stack.push_async_callback(cluster.close)
        return cluster

    def _registry(self) -> RegistrySettings:
        credentials = {}
        if self.registry_auth_file:
            try:
                credentials = parse_docker_config(
                    Path(self.registry_auth_file).read_text(encoding="utf-8")
                )
            except (OSError, ValueError) as error:
                raise preflight.NotReady(
                    f"{self.registry_auth_file} is no Docker configuration that can be read: "
                    "mount the secret with the push credentials there"
                ) from error
        return RegistrySettings(
            host=self.registry_host,
            url=self.registry_url,
            prefix=self.registry_prefix,
            plain_http=tuple(self.plain_http_hosts),
            redirect_hosts=tuple(self.registry_redirect_hosts),
            attempts=self.registry_attempts,
            credentials=credentials,
        )

    def _settings(self) -> CommitSettings:
        capture = CaptureSettings(
            freeze=self.freeze,
            freeze_deadline=self.freeze_deadline,
            zstd_level=self.zstd_level,
            zstd_threads=self.zstd_threads,
            largest_file=self.largest_file,
            home_defaults=relative(self.home_defaults),
        )
        return CommitSettings(capture, author=self.author)


async def recover_for_ever(freezer: Freezer) -> None:
    while True:
        await asyncio.sleep(_RECOVER_EVERY)
        try:
            await asyncio.to_thread(freezer.recover)
        except Exception:
            # The next round may do what this one could not: a desktop may depend on it.
            log.exception("looking for frozen containers failed")


async def cancelled(task: asyncio.Task[Any]) -> None:
    """End a background task and see its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


main = SnapshotAgent.launch_instance
