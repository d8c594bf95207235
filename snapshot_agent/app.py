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
from traitlets import Bool, Float, Int, List, TraitError, Unicode, validate
from traitlets.config import Application, catch_config_error

from . import handlers, preflight
from .auth import Gate
from .commit import CommitSettings, Tools
from .containerd import Containerd
from .exclusions import relative
from .freeze import Freezer
from .kube import Cluster, KubeCluster
from .limits import raise_file_limit, share_memory
from .logs import log_one_line_each, log_request
from .metrics import Metrics
from .registries import OpenUploads, Registries, RegistrySettings, parse_docker_config
from .room import Room, quantity
from .saves import Saves
from .spool import Spool

log = logging.getLogger("snapshot_agent")

# How often the agent looks for containers that it should have thawed and could not.
_RECOVER_EVERY = 30.0


class SnapshotAgent(Application):
    """One agent a node: saves running desktops as images."""

    name = "snapshot-agent"
    description = "Saves the running desktops of this node as images."
    raise_config_file_errors = True
    aliases = {"config": "SnapshotAgent.config_file"}

    config_file = Unicode(
        "", help="The configuration file to load, Python or JSON."
    ).tag(config=True)
    address = Unicode(
        "0.0.0.0", help="The address to listen on; default: all of the pod."
    ).tag(config=True)
    port = Int(8090, help="The port to listen on.").tag(config=True)
    node_name = Unicode(
        help="The name of this node; default: the variable NODE_NAME, from the pod's spec.nodeName."
    ).tag(config=True)
    namespaces = List(
        Unicode(),
        ["desktops"],
        help="The namespaces whose session pods may be saved; pods elsewhere do not exist.",
    ).tag(config=True)
    session_selector = Unicode(
        "component=singleuser-server",
        help="The labels by which a pod is known to be a session; KubeSpawner's by default.",
    ).tag(config=True)
    audience = Unicode(
        "desktops-snapshot-agent",
        help="The audience that the callers' tokens must have been made for.",
    ).tag(config=True)
    allowed_service_accounts = List(
        Unicode(),
        ["desktops:hub-service"],
        help="The service accounts that may ask, each as namespace:name.",
    ).tag(config=True)
    kubeconfig = Unicode(
        "",
        help="A kubeconfig file. Only set this if the agent runs outside of a pod.",
    ).tag(config=True)
    containerd_socket = Unicode(
        "/run/containerd/containerd.sock",
        help="containerd's socket; k3s and RKE2 have it at /run/k3s/containerd/containerd.sock.",
    ).tag(config=True)
    containerd_namespace = Unicode(
        "k8s.io", help="The namespace in which the kubelet's containers are."
    ).tag(config=True)
    snapshotter_roots = List(
        Unicode(),
        ["/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"],
        help=(
            "The folders that may hold containers' layers. Must be mounted in the agent's pod "
            "read-only at the same path as on the node; a layer elsewhere is refused."
        ),
    ).tag(config=True)
    registry_host = Unicode(
        "localhost:30500",
        help="The registry as it stands in references, which nodes pull from.",
    ).tag(config=True)
    registry_url = Unicode(
        "http://registry:5000",
        help="The same registry as programs in the cluster reach it.",
    ).tag(config=True)
    registry_prefix = Unicode(
        "desktops", help="What the repositories of saved images begin with."
    ).tag(config=True)
    registry_auth_file = Unicode(
        "",
        help=(
            "A Docker configuration (the .dockerconfigjson of a secret) with the credentials to "
            "push, by the registry's host or by that of its URL, and those to read base images."
        ),
    ).tag(config=True)
    registry_redirect_hosts = List(
        Unicode(),
        [],
        help=(
            "Globs of hosts that the registry may send uploads to besides itself. Only set this "
            "if it keeps its blobs elsewhere; its credentials are never sent there."
        ),
    ).tag(config=True)
    plain_http_hosts = List(
        Unicode(),
        ["localhost", "localhost:*", "127.0.0.1:*"],
        help="Globs of registries of base images that speak HTTP without TLS.",
    ).tag(config=True)
    registry_attempts = Int(
        5, help="How often a request to a registry is tried in all."
    ).tag(config=True)
    state_dir = Unicode(
        "/var/lib/desktops-snapshot-agent",
        help=(
            "A folder of the node (a hostPath) that tells the next agent what this one has "
            "frozen, should it be killed just then."
        ),
    ).tag(config=True)
    spool_dir = Unicode(
        "/var/spool/desktops-snapshot-agent",
        help="Where layers wait to be pushed; an emptyDir with a size limit is right.",
    ).tag(config=True)
    spool_limit = Unicode(
        "",
        help=(
            "The size limit of that emptyDir, such as 20Gi: a save that wants more ends, where the "
            "kubelet would end the agent. Default: only the disk's own end counts."
        ),
    ).tag(config=True)
    freeze = Bool(
        True,
        help=(
            "Hold the desktop still while the last changes are taken. Without it files that "
            "change just then may be saved half written, and are named in the result."
        ),
    ).tag(config=True)
    freeze_deadline = Float(
        10.0,
        help="Seconds after which a desktop is thawed whatever is still to be read.",
    ).tag(config=True)
    most_saves = Int(2, help="How many saves may be under way on this node.").tag(
        config=True
    )
    zstd_level = Int(
        3,
        help="How hard layers are compressed, 1 to 19; above 3 it is time that limits.",
    ).tag(config=True)
    zstd_threads = Int(
        1,
        help=(
            "Threads for the compression of one save besides those that read and hash; each "
            "takes some 30 MiB of memory. 0 compresses in the thread that writes."
        ),
    ).tag(config=True)
    largest_file = Int(
        64 << 30,
        help="Files above so many bytes are left out; a sparse file counts with its holes.",
    ).tag(config=True)
    home_defaults = Unicode(
        "/home_nbuser_default",
        help=(
            "Where an image keeps what a new home begins with. What is saved of the home goes "
            "there too, since a volume hides the home itself. Images without it are left alone."
        ),
    ).tag(config=True)
    author = Unicode(
        "JupyterHub Desktops", help="The author that saved images name; never a person."
    ).tag(config=True)

    @validate("zstd_level")
    def _valid_level(self, proposal: Any) -> int:
        level = int(proposal["value"])
        if not 1 <= level <= 19:
            raise TraitError("zstd_level must be from 1 to 19")
        return level

    @validate("spool_limit")
    def _valid_limit(self, proposal: Any) -> str:
        try:
            quantity(proposal["value"])
        except ValueError as error:
            raise TraitError(f"spool_limit: {error}") from error
        return str(proposal["value"])

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
        parts = {"saves": saves, "gate": gate, "metrics": metrics}
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
        return CommitSettings(
            freeze=self.freeze,
            freeze_deadline=self.freeze_deadline,
            zstd_level=self.zstd_level,
            zstd_threads=self.zstd_threads,
            largest_file=self.largest_file,
            home_defaults=relative(self.home_defaults),
            author=self.author,
        )


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
