"""The part of the Container Runtime Interface that pulls images: a real gRPC server on a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from snapshot_agent._containerd_api.cri import image_pb2


class FakeCri:
    """Images by reference; a pull waits for `let` and then has what `offered` knows."""

    def __init__(self) -> None:
        self.offered: dict[str, int] = {}
        self.here: dict[str, int] = {}
        self.pulled: list[tuple[str, str]] = []
        self.let = threading.Event()
        self.let.set()

    @contextmanager
    def running(self, socket: str) -> Iterator[None]:
        """Answer on a socket until the end of the block."""
        pool = ThreadPoolExecutor(4)
        server = grpc.server(pool)
        handlers = {
            "ImageStatus": _method(self._status, image_pb2.ImageStatusRequest),
            "PullImage": _method(self._pull, image_pb2.PullImageRequest),
        }
        service = grpc.method_handlers_generic_handler(
            "runtime.v1.ImageService", handlers
        )
        server.add_generic_rpc_handlers((service,))
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        try:
            yield
        finally:
            self.let.set()
            server.stop(0).wait()
            pool.shutdown()

    def _status(self, request: Any, context: Any) -> Any:
        size = self.here.get(request.image.image)
        if size is None:
            return image_pb2.ImageStatusResponse()
        image = image_pb2.Image(id="sha256:1", size=size)
        return image_pb2.ImageStatusResponse(image=image)

    def _pull(self, request: Any, context: Any) -> Any:
        name = request.image.image
        self.pulled.append((name, request.auth.username))
        self.let.wait(10)
        if name not in self.offered:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{name}: not found")
        self.here[name] = self.offered[name]
        return image_pb2.PullImageResponse(image_ref="sha256:1")


def _method(function: Any, request_type: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        function,
        request_deserializer=request_type.FromString,
        response_serializer=lambda answer: answer.SerializeToString(),
    )
