"""python -m snapshot_agent.alive SOCKET: ends well when the capture half answers on its socket."""

from __future__ import annotations

import socket
import sys

_REQUEST = b"GET /v1/health HTTP/1.0\r\n\r\n"
_SECONDS = 10.0


def alive(path: str) -> bool:
    """True when somebody says 200 there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(path)
            connection.sendall(_REQUEST)
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


if __name__ == "__main__":
    sys.exit(0 if alive(sys.argv[1]) else 1)
