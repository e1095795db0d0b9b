"""TCP ports for servers that the tests start.

Each test process reserves a block of ports and holds a lock on it, so that two workers,
or two concurrent test runs, never choose the same port.  The blocks are below the ports
that Linux uses for outgoing connections.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST: Final = 20_000
#: Ports in a block; a port is reused only after all others.
BLOCK: Final = 250
#: Number of blocks: they end below 32768, the first port for outgoing connections.
BLOCKS: Final = 50


@cache
def _ports() -> Iterator[int]:
    """Return an endless iterator over the ports of this process's own block."""
    folder = Path(tempfile.gettempdir(), f"accel-gateway-ports-{os.geteuid()}")
    folder.mkdir(exist_ok=True)
    for number in range(BLOCKS):
        lock = os.open(folder / str(number), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        # The lock is held until this process exits.
        start = FIRST + number * BLOCK
        return cycle(range(start, start + BLOCK))
    raise AssertionError("every block of ports is taken")


def free_port() -> int:
    """Return an unused port of this process's block."""
    ports = _ports()
    for _ in range(BLOCK):
        port = next(ports)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port of the block is taken")
