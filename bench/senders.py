"""Clients that upload to a gateway, in a separate process.

python -m bench.senders KIND URL TOKEN COUNT       runs until its stdin is closed

Each client sends one file after another, at a bounded rate or at full speed.  A stalled
client sends half of a file, then requests the upload's offset again and again.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20
#: Bytes per file, and per write.
FILE, BLOCK = 2 * MIB, 1 << 16
#: Bytes per second of a paced client.
RATE = MIB
#: Seconds between an answer and the next request of a stalled client; `gateway upload`
#: waits as long before its first retry.
PAUSE = 0.2
PATIENCE = 60


class Kind(StrEnum):
    """The behaviour of a client."""

    PACED = "paced"
    FAST = "fast"
    STALLED = "stalled"


@dataclass
class Sent:
    """Totals of all clients: bytes stored, and offset requests answered."""

    bytes: int = 0
    offsets: int = 0


@contextmanager
def sending(kind: Kind, url: str, token: str, count: int) -> Iterator[Sent]:
    """Have *count* clients upload; the yielded totals are set at the end."""
    command = [sys.executable, "-m", "bench.senders", kind, url, token, str(count)]
    sent = Sent()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            begun = process.stdout.readline() if process.stdout else ""
            yield sent
        finally:
            output, _ = process.communicate()
    if not begun or process.returncode:
        raise SystemExit(f"{kind} uploads: {begun}{output}")
    vars(sent).update(json.loads(output))


@dataclass
class Sender:
    """One client; ``total`` is shared by all clients."""

    url: str
    token: str
    total: Sent

    def paced(self) -> None:
        """Upload files at a bounded rate."""
        self._put(BLOCK / RATE)

    def fast(self) -> None:
        """Upload files at full speed."""
        self._put(0)

    def stalled(self) -> None:
        """Start an upload, send half of it, and request its offset again and again."""
        path = self._create()
        with_body = self._peer()
        self._head(with_body, "PATCH", path, FILE, Upload_Offset="0")
        with_body.send(bytes(FILE // 2))
        while True:
            peer = self._peer()
            self._head(peer, "HEAD", path)
            self._expect(peer, http.client.OK)
            self.total.offsets += 1
            time.sleep(PAUSE)

    def _put(self, pause: float) -> None:
        block = bytes(BLOCK)
        while True:
            peer = self._peer()
            self._head(peer, "PUT", "/api/v1/files/file.bin", FILE)
            due = time.monotonic()
            for _ in range(FILE // BLOCK):
                peer.send(block)
                due += pause
                time.sleep(max(0, due - time.monotonic()))
            self._expect(peer, http.client.CREATED)
            self.total.bytes += FILE

    def _create(self) -> str:
        peer = self._peer()
        self._head(peer, "POST", "/tus/", 0, Upload_Length=str(FILE))
        answer = self._expect(peer, http.client.CREATED)
        return urlsplit(answer.headers["Location"]).path

    def _peer(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=PATIENCE
        )

    def _head(
        self,
        peer: http.client.HTTPConnection,
        method: str,
        path: str,
        length: int | None = None,
        **headers: str,
    ) -> None:
        sent = {
            "Authorization": f"Bearer {self.token}",
            "Tus-Resumable": "1.0.0",
            **({} if length is None else {"Content-Length": str(length)}),
            **({"Content-Type": "application/offset+octet-stream"} if length else {}),
        }
        peer.putrequest(method, path)
        for name, text in {**sent, **headers}.items():
            peer.putheader(name.replace("_", "-"), text)
        peer.endheaders()

    def _expect(
        self, peer: http.client.HTTPConnection, status: int
    ) -> http.client.HTTPResponse:
        answer = peer.getresponse()
        answer.read()
        peer.close()
        if answer.status != status:
            raise ValueError(f"{answer.status}, not {status}")
        return answer


def main() -> None:
    """Start all clients, print "begun", and print the totals when stdin is closed."""
    kind, url, token, count = sys.argv[1:]
    total = Sent()
    for _ in range(int(count)):
        work = getattr(Sender(url, token, total), kind)
        threading.Thread(target=_or_end, args=(work,), daemon=True).start()
    print("begun", flush=True)
    sys.stdin.read()
    print(json.dumps(vars(total)))


def _or_end(work: Callable[[], None]) -> None:
    """Run *work*; an error ends all clients and the benchmark."""
    try:
        work()
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(repr(error), flush=True)
        os._exit(1)


if __name__ == "__main__":
    main()
