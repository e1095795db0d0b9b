"""Read from a socket within a time limit in total, whatever the peer does."""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer


class BoundedReader(io.RawIOBase):
    """Reads an answer of at most *size* bytes, within *seconds* in total.

    A socket's own timeout limits each read, so that a peer which sends a byte now and
    then could keep a reader waiting forever.  ``what`` names the answer in errors.
    """

    def __init__(
        self, sock: socket.socket, seconds: float, *, size: int, what: str
    ) -> None:
        self._sock, self._seconds, self._what = sock, seconds, what
        self._deadline = time.monotonic() + seconds
        self._room = size

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the next bytes; raise TimeoutError, or OSError past the maximum size."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(self._timeout_text())
        if self._room <= 0:
            raise OSError(f"its {self._what} is too long")
        self._sock.settimeout(left)
        try:
            count = self._sock.recv_into(buffer)
        except TimeoutError:
            raise TimeoutError(self._timeout_text()) from None
        self._room -= count
        return count

    def _timeout_text(self) -> str:
        return f"no {self._what} within {self._seconds:g} seconds"


def http_response(
    sock: socket.socket, seconds: float, *, size: int, method: str = "GET"
) -> HTTPResponse:
    """Return the answer on *sock* to a request, which the caller reads and closes.

    With its head it has at most *size* bytes, and arrives within *seconds* in total.
    """
    answer = BoundedReader(sock, seconds, size=size, what="answer")
    return HTTPResponse(cast("socket.socket", _Answer(answer)), method=method)


class _Answer:
    """What HTTPResponse reads from instead of the socket."""

    def __init__(self, reader: BoundedReader) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)
