"""A TCP proxy that breaks on demand: between a program and a registry, either of them real."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from types import TracebackType


class FaultProxy:
    """`with FaultProxy(host, port) as proxy:` passes everything on until told to break.

    - `refuse`: close every connection at once;
    - `cut_after`: reset a connection once the client has sent so many bytes, `cuts` times;
    - `pause`: seconds between two pieces of 64 KiB from the client, to have time for something.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.refuse = False
        self.cut_after: int | None = None
        self.cuts = 0
        self.pause = 0.0
        self.broken = 0
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def __enter__(self) -> FaultProxy:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self.refuse:
                client.close()
                continue
            thread = threading.Thread(target=self._pass_on, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            with socket.create_connection(self._target) as server:
                self._pump(client, server)

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        sent = 0
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not self._stop.is_set():
                for key, _ in selector.select(0.05):
                    source, target = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client:
                        sent += len(data)
                        time.sleep(self.pause)
                        if self._must_cut(sent):
                            # Linger 0: a reset, not a polite end.
                            linger = struct.pack("ii", 1, 0)
                            client.setsockopt(
                                socket.SOL_SOCKET, socket.SO_LINGER, linger
                            )
                            return
                    target.sendall(data)

    def _must_cut(self, sent: int) -> bool:
        if self.cut_after is None or sent < self.cut_after or self.cuts <= 0:
            return False
        self.cuts -= 1
        self.broken += 1
        return True
