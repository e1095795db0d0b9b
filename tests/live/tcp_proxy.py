"""A TCP proxy, whose subclasses are bad lines."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    Target = tuple[str, int]

#: The most bytes that are passed on at a time.
STEP = 16_384


class TCPProxy:
    """Passes the bytes of each connection on to *target*, in both directions.

    A subclass overrides ``send``, ``give_back``, or both.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._threads = [threading.Thread(target=self._serve)]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._listener)
        self._threads[0].join(10)
        for peer in self._open:
            _close(peer)
        for thread in self._threads:
            thread.join(10)

    def send(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what the client sends, until it ends the connection."""
        while chunk := client.recv(STEP):
            server.sendall(chunk)

    def give_back(self, server: socket.socket, client: socket.socket) -> None:
        """Pass on what the server sends, until it ends the connection."""
        while chunk := server.recv(STEP):
            client.sendall(chunk)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._target)
                except ConnectionRefusedError:  # the target may come back
                    _close(client)
                    continue
                self._open += [client, server]
                for pump, ends in (
                    (self.send, (client, server)),
                    (self.give_back, (server, client)),
                ):
                    thread = threading.Thread(target=_run, args=(pump, *ends))
                    self._threads.append(thread)
                    thread.start()


def _run(
    pump: Callable[[socket.socket, socket.socket], None],
    source: socket.socket,
    target: socket.socket,
) -> None:
    with suppress(OSError):
        pump(source, target)
    _close(target)
    _close(source)


def _close(peer: socket.socket) -> None:
    with suppress(OSError):
        peer.shutdown(socket.SHUT_RDWR)
    peer.close()
