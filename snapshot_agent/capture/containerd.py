"""A thin typed client of containerd: what a save needs, and nothing that mounts or executes."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, empty_pb2
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from oci.manifest import Descriptor
from oci.reference import Digest
from snapshot_agent._containerd_api.services.containers.v1 import containers_pb2
from snapshot_agent._containerd_api.services.content.v1 import content_pb2
from snapshot_agent._containerd_api.services.images.v1 import images_pb2
from snapshot_agent._containerd_api.services.snapshots.v1 import snapshots_pb2
from snapshot_agent._containerd_api.services.tasks.v1 import tasks_pb2
from snapshot_agent._containerd_api.services.version.v1 import version_pb2

# Manifests and mounts are small; content comes in pieces below gRPC's limit.
_OPTIONS = [("grpc.max_receive_message_length", 16 * 1024 * 1024)]


def _runc_options() -> Any:
    """The one field that matters of containerd's api/types/runc/options/oci.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="runc_options", package="desktops")
    message = file.message_type.add(name="Options")
    field = descriptor_pb2.FieldDescriptorProto
    message.field.add(
        name="binary_name",
        number=6,
        type=field.TYPE_STRING,
        label=field.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("desktops.Options"))


_RuncOptions = _runc_options()


class ContainerdError(Exception):
    """containerd did not do what it was asked; the cause from gRPC is chained."""


class NotFound(ContainerdError):
    """The container, snapshot, image or content does not exist."""


class TaskState(enum.Enum):
    """What the first process of a container does."""

    RUNNING = 2
    STOPPED = 3
    PAUSED = 4
    PAUSING = 5
    OTHER = 0


@dataclass(frozen=True)
class Container:
    id: str
    image: str
    runtime: str
    # The program that the runtime starts in place of runc; empty: runc.
    program: str
    snapshotter: str
    snapshot_key: str
    labels: dict[str, str]
    spec: dict[str, Any]
    extensions: dict[str, bytes]


@dataclass(frozen=True)
class Snapshot:
    parent: str
    active: bool
    labels: dict[str, str]


@dataclass(frozen=True)
class Mount:
    type: str
    source: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    name: str
    target: Descriptor


@dataclass(frozen=True)
class ContentInfo:
    size: int
    labels: dict[str, str]


class Containerd:
    """Calls one containerd over its socket, in one namespace.

    - every call has a timeout;
    - NotFound and ContainerdError are all that it raises;
    - may be used from several threads.
    """

    def __init__(
        self, socket: str, namespace: str = "k8s.io", timeout: float = 10.0
    ) -> None:
        self._channel = grpc.insecure_channel(f"unix://{socket}", options=_OPTIONS)
        self._metadata = (("containerd-namespace", namespace),)
        self._timeout = timeout

    def close(self) -> None:
        self._channel.close()

    def version(self) -> str:
        answer = self._call(
            "version.v1.Version/Version", empty_pb2.Empty(), version_pb2.VersionResponse
        )
        return str(answer.version)

    def container(self, container_id: str) -> Container:
        request = containers_pb2.GetContainerRequest(id=container_id)
        answer = self._call(
            "containers.v1.Containers/Get", request, containers_pb2.GetContainerResponse
        )
        found = answer.container
        return Container(
            id=found.id,
            image=found.image,
            runtime=found.runtime.name,
            program=_program(found.runtime.options),
            snapshotter=found.snapshotter,
            snapshot_key=found.snapshot_key,
            labels=dict(found.labels),
            spec=_json_object(found.spec.value),
            extensions={key: value.value for key, value in found.extensions.items()},
        )

    def snapshot(self, snapshotter: str, key: str) -> Snapshot:
        request = snapshots_pb2.StatSnapshotRequest(snapshotter=snapshotter, key=key)
        answer = self._call(
            "snapshots.v1.Snapshots/Stat", request, snapshots_pb2.StatSnapshotResponse
        )
        info = answer.info
        active = info.kind == snapshots_pb2.Kind.Value("ACTIVE")
        return Snapshot(parent=info.parent, active=active, labels=dict(info.labels))

    def mounts(self, snapshotter: str, key: str) -> list[Mount]:
        request = snapshots_pb2.MountsRequest(snapshotter=snapshotter, key=key)
        answer = self._call(
            "snapshots.v1.Snapshots/Mounts", request, snapshots_pb2.MountsResponse
        )
        return [Mount(m.type, m.source, tuple(m.options)) for m in answer.mounts]

    def image(self, name: str) -> Image:
        request = images_pb2.GetImageRequest(name=name)
        answer = self._call(
            "images.v1.Images/Get", request, images_pb2.GetImageResponse
        )
        return _image(answer.image)

    def images_of(self, target: Digest) -> list[Image]:
        """Every image record that points at this digest."""
        request = images_pb2.ListImagesRequest(filters=[f'target.digest=="{target}"'])
        answer = self._call(
            "images.v1.Images/List", request, images_pb2.ListImagesResponse
        )
        return [_image(image) for image in answer.images]

    def content_info(self, digest: Digest) -> ContentInfo:
        request = content_pb2.InfoRequest(digest=digest)
        answer = self._call(
            "content.v1.Content/Info", request, content_pb2.InfoResponse
        )
        return ContentInfo(size=answer.info.size, labels=dict(answer.info.labels))

    def content(self, digest: Digest) -> Iterator[bytes]:
        """The bytes of a blob of the content store, in pieces."""
        call = self._channel.unary_stream(
            "/containerd.services.content.v1.Content/Read",
            request_serializer=content_pb2.ReadContentRequest.SerializeToString,
            response_deserializer=content_pb2.ReadContentResponse.FromString,
        )
        # A whole layer may take a while; a reader that has gone closes the stream.
        stream = call(
            content_pb2.ReadContentRequest(digest=digest),
            metadata=self._metadata,
            timeout=3600,
        )
        try:
            for piece in stream:
                yield piece.data
        except grpc.RpcError as error:
            raise wrapped("Content/Read", error) from error
        finally:
            stream.cancel()

    def task_state(self, container_id: str) -> TaskState:
        request = tasks_pb2.GetRequest(container_id=container_id)
        answer = self._call("tasks.v1.Tasks/Get", request, tasks_pb2.GetResponse)
        try:
            return TaskState(answer.process.status)
        except ValueError:
            return TaskState.OTHER

    def is_gone(self, container_id: str) -> bool:
        """True when it surely runs no more; an error of containerd says nothing."""
        try:
            return self.task_state(container_id) is TaskState.STOPPED
        except NotFound:
            return True
        except ContainerdError:
            return False

    def pause(self, container_id: str) -> None:
        request = tasks_pb2.PauseTaskRequest(container_id=container_id)
        self._call("tasks.v1.Tasks/Pause", request, empty_pb2.Empty)

    def resume(self, container_id: str) -> None:
        request = tasks_pb2.ResumeTaskRequest(container_id=container_id)
        self._call("tasks.v1.Tasks/Resume", request, empty_pb2.Empty)

    def _call(self, method: str, request: Any, answer_type: Any) -> Any:
        call = self._channel.unary_unary(
            f"/containerd.services.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer_type.FromString,
        )
        try:
            return call(request, metadata=self._metadata, timeout=self._timeout)
        except grpc.RpcError as error:
            raise wrapped(method, error) from error


def _image(image: Any) -> Image:
    target = image.target
    return Image(
        name=image.name,
        target=Descriptor(target.media_type, Digest(target.digest), target.size),
    )


def _program(options: any_pb2.Any) -> str:
    """BinaryName of the options of runc's shim."""
    if not options.type_url.endswith("containerd.runc.v1.Options"):
        return ""
    try:
        return str(_RuncOptions.FromString(options.value).binary_name)
    except DecodeError as error:
        raise ContainerdError("the runtime's options cannot be read") from error


def _json_object(value: bytes) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except ValueError as error:
        raise ContainerdError("the container's specification is not JSON") from error
    return found if isinstance(found, dict) else {}


def wrapped(method: str, error: grpc.RpcError) -> ContainerdError:
    code, details = error.code(), error.details()
    kind = NotFound if code == grpc.StatusCode.NOT_FOUND else ContainerdError
    return kind(f"containerd answered {code.name} to {method}: {details}")
