"""Servers that are no gateways."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from tests.live.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: What a server does with a connection whose request it has read.
    Behaviour = Callable[[socket.socket, threading.Event], None]

_BLOCK: Final = 65_536


def say(answer: bytes) -> Behaviour:
    """Send *answer* and close."""
    return lambda peer, _stopped: peer.sendall(answer)


def silence(_peer: socket.socket, stopped: threading.Event) -> None:
    """Never answer."""
    stopped.wait(30)


def dribble(peer: socket.socket, stopped: threading.Event) -> None:
    """Send a byte of a header now and then, forever."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stopped.wait(0.02):
        peer.sendall(b"-")


def pour(peer: socket.socket, stopped: threading.Event) -> None:
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
                    peer.recv(_BLOCK)
                    behaviour(peer, stopped)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            stopped.set()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                pass
            thread.join(10)
