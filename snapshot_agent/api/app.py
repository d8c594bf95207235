"""The half that people's services ask: unprivileged, with the network and the credentials."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application as WebApplication
from traitlets.config import catch_config_error

from oci.auth import Credentials
from snapshot_agent.api import handlers
from snapshot_agent.api.auth import Gate
from snapshot_agent.api.capture_client import CaptureClient
from snapshot_agent.api.commit import Tools
from snapshot_agent.api.kube import Cluster, KubeCluster
from snapshot_agent.api.metrics import Metrics
from snapshot_agent.api.prepull import Prepull, PrepullSettings
from snapshot_agent.api.registries import (
    OpenUploads,
    Registries,
    RegistrySettings,
    parse_docker_config,
)
from snapshot_agent.api.saves import Saves
from snapshot_agent.limits import share_memory
from snapshot_agent.logs import log_one_line_each, log_request
from snapshot_agent.not_ready import NotReady, check_readable, check_writable
from snapshot_agent.program import ended, until_stopped
from snapshot_agent.settings import SnapshotAgent

log = logging.getLogger("snapshot_agent")


class Api(SnapshotAgent):
    """Checks who asks for what, has the other half read it, and pushes it."""

    @catch_config_error
    def initialize(self, argv: list[str] | None = None) -> None:
        super().initialize(argv)
        if not self.node_name:
            self.node_name = os.environ.get("NODE_NAME", "")

    def start(self) -> None:
        log_one_line_each()
        share_memory()
        try:
            asyncio.run(until_stopped(self._open))
        except NotReady as error:
            log.error("not started: %s", error)
            self.exit(1)

    async def _open(self, stack: AsyncExitStack) -> str:
        port = await self.open(stack)
        return f"address={self.address} port={port} node={self.node_name}"

    async def open(self, stack: AsyncExitStack, cluster: Cluster | None = None) -> int:
        """Check and listen; what was opened is closed with `stack`. The port."""
        uploads, spool = Path(self.uploads_dir), Path(self.spool_dir)
        check_writable(uploads, "SnapshotAgent.uploads_dir")
        check_readable(spool, "SnapshotAgent.spool_dir")
        if cluster is None:
            cluster = await self._cluster(stack)
        http = await stack.enter_async_context(httpx.AsyncClient())
        registries = Registries(self._registry(), http, OpenUploads(uploads))
        # In the background of the start: the registry may be away, and saves do not need it.
        closing = asyncio.create_task(registries.close_left_uploads())
        stack.push_async_callback(ended, closing)
        capture = CaptureClient(self.capture_socket)
        stack.push_async_callback(capture.close)
        tools = Tools(capture, registries, spool, self.author)
        return self._listen(stack, cluster, tools)

    def _listen(self, stack: AsyncExitStack, cluster: Cluster, tools: Tools) -> int:
        metrics = Metrics()
        saves = Saves(cluster, tools, metrics, most=self.most_saves)
        stack.push_async_callback(saves.close)
        registry = tools.registries.settings
        parts = {
            "parts": handlers.Parts(
                saves=saves,
                gate=Gate(cluster, self.audience, self.allowed_service_accounts),
                metrics=metrics,
                prepull=self._prepull(
                    stack, tools.capture, registry.credentials.get(registry.host)
                ),
                capture=tools.capture,
                root=self.own_root,
            )
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
        self,
        stack: AsyncExitStack,
        capture: CaptureClient,
        credentials: Credentials | None,
    ) -> Prepull:
        settings = PrepullSettings(
            budget=self.prepull_budget, keep_free=self.prepull_keep_free
        )
        prepull = Prepull(capture, settings, credentials)
        stack.push_async_callback(ended, asyncio.create_task(prepull.run()))
        return prepull

    async def _cluster(self, stack: AsyncExitStack) -> Cluster:
        if not self.node_name:
            raise NotReady(
                "the node's name is not known: set NODE_NAME from spec.nodeName"
            )
        cluster = await KubeCluster.connect(
            kubeconfig=self.kubeconfig,
            node=self.node_name,
            namespaces=self.namespaces,
            label_selector=self.session_selector,
            owner_annotation=self.owner_annotation,
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
                raise NotReady(
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
