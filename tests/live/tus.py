"""A tus client for the live tests, and a proxy that breaks connections."""

from __future__ import annotations

import base64
import socket
import threading
from typing import TYPE_CHECKING

from tests.live.tcp_proxy import STEP, TCPProxy

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from tests.live.stack import Stack

CHUNK_TYPE = "application/offset+octet-stream"


class Tus:
    """A client with a token."""

    def __init__(self, stack: Stack, token: str) -> None:
        self.stack = stack
        self.token = token

    def ask(
        self, method: str, path: str = "/tus/", data: object = None, **headers: str
    ) -> requests.Response:
        """Send a request; ``Upload_Offset=5`` is the header ``Upload-Offset: 5``."""
        sent = {"Authorization": f"Bearer {self.token}", "Tus-Resumable": "1.0.0"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        return self.stack.ask(self.stack.url + path, method, data=data, headers=sent)

    def create(self, size: int, name: str = "a.bin", **headers: str) -> str:
        """Create an upload and return its path."""
        made = self.ask(
            "POST",
            Upload_Length=str(size),
            Upload_Metadata=f"filename {base64.b64encode(name.encode()).decode()}",
            **headers,
        )
        assert made.status_code == 201, made.text
        return made.headers["Location"]

    def patch(
        self, path: str, offset: int, data: object, **headers: str
    ) -> requests.Response:
        return self.ask(
            "PATCH",
            path,
            data,
            **{"Upload_Offset": str(offset), "Content_Type": CHUNK_TYPE, **headers},
        )

    def offset(self, path: str) -> int:
        """Return an upload's offset, as the gateway reports it."""
        return int(self.ask("HEAD", path).headers["Upload-Offset"])

    def get(self, answer: requests.Response) -> bytes:
        """Return the content that an answer's Content-Location leads to."""
        return self.ask("GET", answer.headers["Content-Location"]).content

    def cut(self, path: str, data: bytes, sent: int, **headers: str) -> socket.socket:
        """Start a PATCH of *data*, send its first *sent* bytes, and leave it open."""
        lines = [
            f"PATCH {path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {self.token}",
            "Tus-Resumable: 1.0.0",
            f"Content-Type: {CHUNK_TYPE}",
            f"Content-Length: {len(data)}",
            *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items()),
        ]
        peer = socket.create_connection(("127.0.0.1", self.stack.port), 20)
        peer.sendall("\r\n".join([*lines, "", ""]).encode() + data[:sent])
        return peer


class BadLine(TCPProxy):
    """A proxy to the stack that cuts connections or stops forwarding.

    Each connection is cut after ``next_cut()`` bytes from the client; None keeps it
    open.  After *dead_after* bytes in total nothing is forwarded until ``revive``.
    """

    def __init__(
        self,
        stack: Stack,
        next_cut: Callable[[], int | None] = lambda: None,
        *,
        dead_after: int | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", stack.port))
        self.cuts = 0
        self.carried = 0
        self.is_dead = threading.Event()
        self._dead_after = dead_after
        self._revived = threading.Event()
        self._next_cut = next_cut

    def revive(self) -> None:
        self._revived.set()

    def __exit__(self, *_: object) -> None:
        self.revive()
        super().__exit__()

    def send(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what the client sends, until the cut."""
        room = self._next_cut()
        while chunk := client.recv(STEP if room is None else min(room, STEP)):
            server.sendall(chunk)
            self.carried += len(chunk)
            if self._dead_after is not None and self.carried >= self._dead_after:
                self.is_dead.set()
                self._revived.wait()
            if room is not None:
                room -= len(chunk)
                if room == 0:
                    self.cuts += 1
                    break
