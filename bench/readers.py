"""Thousands of clients that each read 1 KiB per second, in a separate process.

python -m bench.readers URL COUNT       runs until its stdin is closed
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes that each client reads per second.
RATE = 1024
#: Receive buffer of a client, in bytes; the minimum of Linux.
WINDOW = 2304
#: Bytes per packet, as on Ethernet; on loopback it would be 64 KiB, and the sender
#: would buffer twenty times as much of each answer.
SEGMENT = 1460
#: Maximum seconds until an answer begins.
PATIENCE = 8


@contextmanager
def reading(url: str, count: int) -> Iterator[int]:
    """Have *count* clients read *url* slowly; yield the number of answers begun."""
    command = [sys.executable, "-m", "bench.readers", url, str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else 0)
        finally:
            process.communicate()


@dataclass
class Readers:
    """Sockets that have sent their request; ``begun`` are those with an answer."""

    peers: list[socket.socket]
    begun: set[int] = field(default_factory=set)

    @classmethod
    def connect(cls, url: str, count: int) -> Readers:
        """Connect and send the requests; pending connections wait in the kernel."""
        parts = urlsplit(url)
        request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        peers, waiting = [], selectors.DefaultSelector()
        for _ in range(count):
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            peer.settimeout(0)
            peer.connect_ex((parts.hostname or "", parts.port or 80))
            waiting.register(peer, selectors.EVENT_WRITE)
            peers.append(peer)
            time.sleep(0.0005)  # avoid a burst that overflows the listen queue
        end = time.monotonic() + PATIENCE
        while waiting.get_map() and time.monotonic() < end:
            for key, _ in waiting.select(0.1):
                waiting.unregister(key.fileobj)
                if isinstance(key.fileobj, socket.socket):
                    _send(key.fileobj, request)
        waiting.close()
        return cls(peers)

    def read(self) -> None:
        """Read one second's bytes from each socket that has data."""
        for peer in self.peers:
            with suppress(OSError):  # no data yet, or closed
                if peer.recv(RATE).startswith(b"HTTP/1.1 200 "):
                    self.begun.add(peer.fileno())


def _send(peer: socket.socket, request: bytes) -> None:
    try:
        peer.send(request)
    except OSError:
        return  # refused: there will be no answer


def main() -> None:
    """Connect, print the number of answers begun, and read until stdin is closed."""
    url, count = sys.argv[1], int(sys.argv[2])
    readers = Readers.connect(url, count)
    end = time.monotonic() + PATIENCE
    while len(readers.begun) < count and time.monotonic() < end:
        readers.read()
        time.sleep(1)
    sys.stdout.write(f"{len(readers.begun)}\n")
    sys.stdout.flush()
    with selectors.DefaultSelector() as ending:
        ending.register(sys.stdin, selectors.EVENT_READ)
        while not ending.select(1):
            readers.read()


if __name__ == "__main__":
    main()
