"""Servers that are no gateways."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from tests.live.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: What a server does with a connection, and the request that it has read.
    Behaviour = Callable[[socket.socket, bytes, threading.Event], None]

_BLOCK: Final = 65_536


def say(answer: bytes) -> Behaviour:
    """Send *answer* and close."""
    return lambda peer, _request, _stopped: peer.sendall(answer)


def say_by_path(answers: dict[str, bytes], otherwise: bytes) -> Behaviour:
    """Send the answer of the request's path, or *otherwise*, and close."""

    def behaviour(peer: socket.socket, request: bytes, _: threading.Event) -> None:
        path = request.partition(b" ")[2].partition(b" ")[0].decode()
        peer.sendall(answers.get(path, otherwise))

    return behaviour


def silence(_peer: socket.socket, _request: bytes, stopped: threading.Event) -> None:
    """Never answer."""
    stopped.wait(30)


def dribble(peer: socket.socket, _request: bytes, stopped: threading.Event) -> None:
    """Send a byte of a header now and then, forever."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stopped.wait(0.02):
        peer.sendall(b"-")


def pour(peer: socket.socket, _request: bytes, stopped: threading.Event) -> None:
    """Send a body without an end."""
    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stopped.is_set():
        peer.sendall(bytes(_BLOCK))


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[int]:
    """Run a server; yield its port."""
    port, stopped = free_port(), threading.Event()
    with socket.create_server(("127.0.0.1", port)) as listener:

        def serve() -> None:
            while not stopped.is_set():
                peer, _ = listener.accept()
                # Its client may hang up, or never send a request.
                with suppress(OSError), peer:
                    behaviour(peer, peer.recv(_BLOCK), stopped)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            stopped.set()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                pass
            thread.join(10)
