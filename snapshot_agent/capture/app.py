"""The half that reads desktops: root on its node, without a network and without credentials."""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application as WebApplication

from snapshot_agent.capture import handlers, preflight
from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.captures import Captures
from snapshot_agent.capture.container import Bounds
from snapshot_agent.capture.containerd import Containerd
from snapshot_agent.capture.freeze import Freezer
from snapshot_agent.capture.images import NodeImages
from snapshot_agent.capture.network import StillConnected, leave_network
from snapshot_agent.capture.session import CaptureLimits, NodeTools
from snapshot_agent.exclusions import changed, relative
from snapshot_agent.limits import raise_file_limit, share_memory, step_back
from snapshot_agent.logs import log_one_line_each, log_request
from snapshot_agent.not_ready import NotReady, check_writable
from snapshot_agent.program import ended, until_stopped
from snapshot_agent.room import Room, quantity
from snapshot_agent.settings import SnapshotAgent
from snapshot_agent.tree.kept import KeptSaves
from snapshot_agent.tree.spool import Spool
from snapshot_agent.wire import MESSAGE_LIMIT

log = logging.getLogger("snapshot_agent")

# How often it looks for containers that it should have thawed and could not.
_RECOVER_EVERY = 30.0
# Readable by the group that both halves are in, and by nobody else.
_UMASK, _SOCKET_MODE = 0o027, 0o660


class CaptureProgram(SnapshotAgent):
    """Reads the running desktops of its node, and answers on one unix socket."""

    def start(self) -> None:
        log_one_line_each()
        try:
            # First of all: nothing of this program has ever had the network.
            leave_network()
            os.umask(_UMASK)
            step_back(self.nice)
            share_memory()
            asyncio.run(until_stopped(self.open))
        except (NotReady, StillConnected) as error:
            log.error("not started: %s", error)
            self.exit(1)

    async def open(self, stack: AsyncExitStack) -> str:
        """Check, recover and listen; what was opened is closed with `stack`."""
        spool, state = Path(self.spool_dir), Path(self.state_dir)
        raise_file_limit()
        containerd = Containerd(self.containerd_socket, self.containerd_namespace)
        stack.callback(containerd.close)
        version = await asyncio.to_thread(
            preflight.check_containerd, containerd, self.containerd_socket
        )
        freezer = Freezer(containerd, state)
        # First of all: a desktop may be standing still since the last agent was killed, and a
        # full disk may be what killed it.
        await asyncio.to_thread(freezer.recover)
        check_writable(state, "SnapshotAgent.state_dir")
        check_writable(spool, "SnapshotAgent.spool_dir")
        preflight.check_capabilities(
            Path("/proc/self/status").read_text(encoding="ascii")
        )
        preflight.check_roots(self.snapshotter_roots)
        cleaned = Spool.clean(spool)
        log.info("ready containerd=%s spools_cleaned=%d", version, cleaned)
        room = Room(spool, quantity(self.spool_limit))
        tools = NodeTools(
            containerd,
            freezer,
            room,
            self._settings(),
            self._bounds(),
            self._limits(),
            KeptSaves(self.kept_saves),
        )
        stack.callback(tools.kept.close)
        recovery = asyncio.create_task(_recover_for_ever(tools))
        stack.push_async_callback(ended, recovery)
        return self._listen(stack, tools)

    def _listen(self, stack: AsyncExitStack, tools: NodeTools) -> str:
        captures = Captures(tools)
        images = NodeImages(self.containerd_socket)
        stack.callback(images.close)
        parts = {
            "captures": captures,
            "images": images,
            "root": self.own_root,
            "disk": self.snapshotter_roots[0],
        }
        server = HTTPServer(
            WebApplication(
                [(path, handler, parts) for path, handler in handlers.default_handlers],
                default_handler_class=handlers.MissingHandler,
                default_handler_args=parts,
                log_function=log_request,
            ),
            max_body_size=MESSAGE_LIMIT,
            max_buffer_size=MESSAGE_LIMIT,
        )
        Path(self.capture_socket).parent.mkdir(parents=True, exist_ok=True)
        server.add_socket(bind_unix_socket(self.capture_socket, mode=_SOCKET_MODE))
        stack.callback(Path(self.capture_socket).unlink, missing_ok=True)
        stack.push_async_callback(server.close_all_connections)
        stack.push_async_callback(captures.close)
        stack.callback(server.stop)
        return f"socket={self.capture_socket}"

    def _bounds(self) -> Bounds:
        return Bounds(tuple(self.namespaces), tuple(self.snapshotter_roots))

    def _limits(self) -> CaptureLimits:
        return CaptureLimits(self.most_saves, self.most_bytes, self.most_entries)

    def _settings(self) -> CaptureSettings:
        return CaptureSettings(
            freeze=self.freeze,
            join_saves=self.join_saves,
            freeze_budget=self.freeze_budget,
            freeze_deadline=self.freeze_deadline,
            layer_bytes=self.layer_bytes,
            zstd_level=self.zstd_level,
            zstd_threads=self.zstd_threads,
            largest_file=self.largest_file,
            home_defaults=relative(self.home_defaults),
            table=changed(self.leave_out, self.keep),
        )


async def _recover_for_ever(tools: NodeTools) -> None:
    # A thread of its own: who keeps all others busy must not keep a desktop frozen.
    with ThreadPoolExecutor(1) as thread:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_RECOVER_EVERY)
            try:
                await loop.run_in_executor(thread, tools.freezer.recover)
                gone = tools.containerd.is_gone
                await loop.run_in_executor(thread, tools.kept.drop, gone)
            except Exception:
                # The next round may do what this one could not: a desktop may depend on it.
                log.exception("looking for frozen containers failed")
