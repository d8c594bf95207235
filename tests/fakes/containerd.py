"""A small containerd in memory: a real gRPC server on a unix socket, held to tests/conformance.

It has what a save asks for: containers, one snapshot each, images, content, and tasks that can
be paused. Filesystems are the test's business.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import grpc
import grpc.aio
from google.protobuf import any_pb2, empty_pb2

from snapshot_agent._containerd_api.services.containers.v1 import containers_pb2
from snapshot_agent._containerd_api.services.content.v1 import content_pb2
from snapshot_agent._containerd_api.services.images.v1 import images_pb2
from snapshot_agent._containerd_api.services.snapshots.v1 import snapshots_pb2
from snapshot_agent._containerd_api.services.tasks.v1 import tasks_pb2
from snapshot_agent._containerd_api.services.version.v1 import version_pb2
from snapshot_agent._containerd_api.types import descriptor_pb2, mount_pb2
from snapshot_agent._containerd_api.types.task import task_pb2

RUNNING, STOPPED, PAUSED = 2, 3, 4
_PIECE = 1 << 20


@dataclass
class FakeContainer:
    """A container as the fake keeps it."""

    id: str
    image: str
    spec: dict[str, Any]
    labels: dict[str, str]
    metadata: dict[str, Any]
    parent: str
    mounts: list[tuple[str, str, list[str]]]
    runtime: str = "io.containerd.runc.v2"
    state: int = RUNNING
    active: bool = True
    snapshot_labels: dict[str, str] = field(default_factory=dict)


class FakeContainerd:
    """`with FakeContainerd(path) as containerd:` answers on that socket until the end."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.containers: dict[str, FakeContainer] = {}
        self.images: dict[str, tuple[str, str, int]] = {}
        self.content: dict[str, bytes] = {}
        self.content_labels: dict[str, dict[str, str]] = {}
        self.calls: list[tuple[str, str]] = []
        # Tests may refuse or delay these.
        self.pause_fails = False
        self.resume_fails = 0
        self.on_pause: Callable[[], None] = lambda: None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> FakeContainerd:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._loop is not None and self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = grpc.aio.server()
        for service, methods in self._services().items():
            handler = grpc.method_handlers_generic_handler(
                f"containerd.services.{service}", methods
            )
            server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(f"unix://{self.socket}")
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.stop(0.1)

    def _services(self) -> dict[str, dict[str, Any]]:
        return {
            "version.v1.Version": {"Version": _unary(self._version, empty_pb2.Empty)},
            "containers.v1.Containers": {
                "Get": _unary(self._container, containers_pb2.GetContainerRequest)
            },
            "snapshots.v1.Snapshots": {
                "Stat": _unary(self._stat, snapshots_pb2.StatSnapshotRequest),
                "Mounts": _unary(self._mounts, snapshots_pb2.MountsRequest),
            },
            "images.v1.Images": {
                "Get": _unary(self._image, images_pb2.GetImageRequest),
                "List": _unary(self._images, images_pb2.ListImagesRequest),
            },
            "content.v1.Content": {
                "Info": _unary(self._info, content_pb2.InfoRequest),
                "Read": grpc.unary_stream_rpc_method_handler(
                    self._read,
                    request_deserializer=content_pb2.ReadContentRequest.FromString,
                    response_serializer=_bytes,
                ),
            },
            "tasks.v1.Tasks": {
                "Get": _unary(self._task, tasks_pb2.GetRequest),
                "Pause": _unary(self._pause, tasks_pb2.PauseTaskRequest),
                "Resume": _unary(self._resume, tasks_pb2.ResumeTaskRequest),
            },
        }

    async def _version(self, request: Any, context: Any) -> Any:
        return version_pb2.VersionResponse(version="v0-fake", revision="fake")

    async def _container(self, request: Any, context: Any) -> Any:
        found = await self._find(request.id, context)
        metadata = json.dumps({"Version": "v1", "Metadata": found.metadata}).encode()
        container = containers_pb2.Container(
            id=found.id,
            image=found.image,
            labels=found.labels,
            snapshotter="overlayfs",
            snapshot_key=found.id,
            spec=any_pb2.Any(type_url="spec", value=json.dumps(found.spec).encode()),
            runtime=containers_pb2.Container.Runtime(name=found.runtime),
        )
        if found.metadata:
            extension = any_pb2.Any(type_url="metadata", value=metadata)
            container.extensions["io.cri-containerd.container.metadata"].CopyFrom(
                extension
            )
        return containers_pb2.GetContainerResponse(container=container)

    async def _stat(self, request: Any, context: Any) -> Any:
        found = await self._find(request.key, context)
        kind = "ACTIVE" if found.active else "COMMITTED"
        info = snapshots_pb2.Info(
            name=found.id,
            parent=found.parent,
            kind=snapshots_pb2.Kind.Value(kind),
            labels=found.snapshot_labels,
        )
        return snapshots_pb2.StatSnapshotResponse(info=info)

    async def _mounts(self, request: Any, context: Any) -> Any:
        found = await self._find(request.key, context)
        mounts = [
            mount_pb2.Mount(type=t, source=s, options=o) for t, s, o in found.mounts
        ]
        return snapshots_pb2.MountsResponse(mounts=mounts)

    async def _image(self, request: Any, context: Any) -> Any:
        if request.name not in self.images:
            await context.abort(grpc.StatusCode.NOT_FOUND, "image not found")
        return images_pb2.GetImageResponse(image=self._image_record(request.name))

    async def _images(self, request: Any, context: Any) -> Any:
        records = [
            self._image_record(name)
            for name, (_, digest, _) in self.images.items()
            if any(f'"{digest}"' in one for one in request.filters)
        ]
        return images_pb2.ListImagesResponse(images=records)

    def _image_record(self, name: str) -> Any:
        media_type, digest, size = self.images[name]
        target = descriptor_pb2.Descriptor(
            media_type=media_type, digest=digest, size=size
        )
        return images_pb2.Image(name=name, target=target)

    async def _info(self, request: Any, context: Any) -> Any:
        if request.digest not in self.content:
            await context.abort(grpc.StatusCode.NOT_FOUND, "content not found")
        info = content_pb2.Info(
            digest=request.digest,
            size=len(self.content[request.digest]),
            labels=self.content_labels.get(request.digest, {}),
        )
        return content_pb2.InfoResponse(info=info)

    async def _read(self, request: Any, context: Any) -> AsyncIterator[Any]:
        data = self.content.get(request.digest)
        if data is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "content not found")
            return
        for at in range(0, len(data), _PIECE):
            yield content_pb2.ReadContentResponse(
                offset=at, data=data[at : at + _PIECE]
            )

    async def _task(self, request: Any, context: Any) -> Any:
        found = await self._find(request.container_id, context)
        process = task_pb2.Process(container_id=found.id, id=found.id, pid=1)
        process.status = found.state
        return tasks_pb2.GetResponse(process=process)

    async def _pause(self, request: Any, context: Any) -> Any:
        found = await self._find(request.container_id, context)
        self.calls.append(("pause", found.id))
        if self.pause_fails:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "cannot pause")
        if found.state != RUNNING:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not running")
        found.state = PAUSED
        self.on_pause()
        return empty_pb2.Empty()

    async def _resume(self, request: Any, context: Any) -> Any:
        found = await self._find(request.container_id, context)
        self.calls.append(("resume", found.id))
        if self.resume_fails:
            self.resume_fails -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
        if found.state != PAUSED:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not paused")
        found.state = RUNNING
        return empty_pb2.Empty()

    async def _find(self, key: str, context: Any) -> FakeContainer:
        if key not in self.containers:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"{key} not found")
        return self.containers[key]


def _unary(method: Callable[[Any, Any], Awaitable[Any]], request: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        method, request_deserializer=request.FromString, response_serializer=_bytes
    )


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())
