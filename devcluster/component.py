"""What a component of the cluster is: a command line, and a way to know that it is ready."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Probe = Callable[[], bool]


@dataclass(frozen=True)
class Component:
    """One program that runs as long as the cluster does."""

    name: str
    arguments: Sequence[str]
    ready: Probe
    environment: Mapping[str, str] = field(default_factory=dict)
    start_timeout: float = 60
    stop_timeout: float = 10


def http_ready(host: str, port: int, path: str, *, tls: bool = False) -> Probe:
    """Whether a GET answers 200; a certificate is not checked, since nothing is told to it."""

    def probe() -> bool:
        if tls:
            context = ssl._create_unverified_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=2, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return probe


def socket_ready(path: Path) -> Probe:
    """Whether something listens on a unix socket."""

    def probe() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            try:
                client.connect(str(path))
            except OSError:
                return False
        return True

    return probe


def at_once() -> bool:
    """For a component that serves nothing: it is ready as long as it runs."""
    return True
