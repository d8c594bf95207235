"""The node's images, as the kubelet sees them: is one there, pull one (CRI v1, ImageService)."""

from __future__ import annotations

from typing import Any

import grpc

from snapshot_agent._containerd_api.cri import image_pb2
from snapshot_agent.capture.containerd import wrapped

# A desktop of several gigabytes from a busy registry.
_PULL_TIMEOUT = 3600.0


class NodeImages:
    """Calls one CRI over its socket; ContainerdError is all that it raises.

    What is pulled this way is the kubelet's own: it starts pods from it, and removes it when the
    disk gets full and nothing runs from it.
    """

    def __init__(self, socket: str, timeout: float = 10.0) -> None:
        self._channel = grpc.insecure_channel(f"unix://{socket}")
        self._timeout = timeout

    def close(self) -> None:
        self._channel.close()

    def size(self, reference: str) -> int | None:
        """The bytes of an image as it was packed; None when it is not there."""
        spec = image_pb2.ImageSpec(image=reference)
        answer = self._call(
            "ImageStatus",
            image_pb2.ImageStatusRequest(image=spec),
            image_pb2.ImageStatusResponse,
            self._timeout,
        )
        return int(answer.image.size) if answer.HasField("image") else None

    def pull(self, reference: str, login: tuple[str, str] | None) -> None:
        """Fetch and unpack an image as a user with a password; returns when it can start."""
        auth = None
        if login:
            auth = image_pb2.AuthConfig(username=login[0], password=login[1])
        spec = image_pb2.ImageSpec(image=reference)
        request = image_pb2.PullImageRequest(image=spec, auth=auth)
        self._call("PullImage", request, image_pb2.PullImageResponse, _PULL_TIMEOUT)

    def _call(self, method: str, request: Any, answer_type: Any, timeout: float) -> Any:
        call = self._channel.unary_unary(
            f"/runtime.v1.ImageService/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer_type.FromString,
        )
        try:
            return call(request, timeout=timeout)
        except grpc.RpcError as error:
            raise wrapped(method, error) from error
