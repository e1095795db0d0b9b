"""A server in the bucket's place, whose answers a test writes byte by byte."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONTENT: Final = b"abcdefghijklmnopqrstuvwxyz"
ETAG: Final = '"version"'


def answer(
    method: str,
    *headers: str,
    status: str = "206 Partial Content",
    content: bytes = CONTENT,
    etag: str = ETAG,
) -> bytes:
    """Return the answer with the whole of a short object, to HEAD or to GET."""
    is_part = method == "GET" and status.startswith("206")
    lines = [
        f"HTTP/1.1 {status if method == 'GET' else '200 OK'}",
        f"Content-Length: {len(content)}",
        "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT",
        "Connection: close",
        *([f"ETag: {etag}"] if etag else []),
        *([f"Content-Range: bytes 0-{len(content) - 1}/{len(content)}"] * is_part),
        *headers,
    ]
    head = "\r\n".join((*lines, "", "")).encode()
    return head + content if method == "GET" else head


class FakeBucket:
    """Answers what ``script`` returns for the method of a request.

    ``asked`` are the heads of the requests so far, and ``bodies`` their bodies.
    With a *certificate* it uses TLS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self.script: Callable[[str], bytes] = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @contextmanager
    def running(self) -> Iterator[FakeBucket]:
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        yield self
        self.close()
        thread.join(5)

    def close(self) -> None:
        """Refuse all further connections."""
        with suppress(OSError):  # it is closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer, suppress(OSError):
                if self._tls is None:
                    self.serve(peer)
                else:
                    with self._tls.wrap_socket(peer, server_side=True) as encrypted:
                        self.serve(encrypted)

    def serve(self, peer: socket.socket) -> None:
        """Answer the request on a connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := peer.recv(65_536)):
                return  # the client does not trust the certificate, for example
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        self.asked.append(f"{head.decode()}\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while length and len(body) < int(length[1]) and (chunk := peer.recv(65_536)):
            body += chunk
        self.bodies.append(body)
        peer.sendall(self.script(head.decode().partition(" ")[0]))
