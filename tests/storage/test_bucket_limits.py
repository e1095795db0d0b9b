"""How long the gateway's own requests to a bucket may take."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import pytest

from gateway.errors import BucketBusyError
from gateway.storage import bucket
from gateway.storage.bucket_blobs import BucketBlobs
from gateway.storage.places import BucketURL
from tests.live.seaweedfs import BUCKET
from tests.storage.test_files import server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.seaweedfs import SeaweedFS

CONTENT = os.urandom(2**20)
BLOB = "aa/" + "a" * 26 + ".bin"
#: Bytes per second in each direction: the content takes two seconds.
RATE = 2**19
_STEP = 2**14


class SlowLink:
    """Passes the bytes of each connection on to a server, RATE in a second."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                away = socket.create_connection(self._target)
                self._open += [client, away]
                for ends in ((client, away), (away, client)):
                    thread = threading.Thread(target=self._carry, args=ends)
                    self._threads.append(thread)
                    thread.start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_STEP):
                target.sendall(chunk)
                time.sleep(len(chunk) / RATE)
            target.shutdown(socket.SHUT_WR)


def blobs(endpoint: str) -> BucketBlobs:
    return BucketBlobs.of(BucketURL(BUCKET, f"{token_hex(4)}/"), server(endpoint))


def load(blobs: BucketBlobs, folder: Path) -> None:
    source = folder / "source"
    source.write_bytes(CONTENT)
    blobs.load(source, BLOB)


def save(blobs: BucketBlobs, folder: Path) -> None:
    blobs.save(BLOB, folder / "copy", may_link=False)


def sha256(blobs: BucketBlobs, _: Path) -> object:
    return blobs.sha256(BLOB, is_stopped=bool)


def size(blobs: BucketBlobs, _: Path) -> object:
    return blobs.size(BLOB)


def test_content_may_take_longer_than_a_request(
    seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_REQUEST", timedelta(seconds=0.5))
    with SlowLink(seaweedfs.endpoint) as link:
        there = blobs(link.url)
        load(there, tmp_path)
        save(there, tmp_path)
        assert sha256(there, tmp_path)
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize("ask", [load, save, sha256, size])
def test_a_silent_server_ends_every_request(
    seaweedfs: SeaweedFS,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[BucketBlobs, Path], object],
) -> None:
    patient = blobs(seaweedfs.endpoint)
    load(patient, tmp_path)
    for limit in ("_REQUEST", "_SILENCE"):
        monkeypatch.setattr(bucket, limit, timedelta(seconds=0.5))
    there = BucketBlobs.of(patient.url, patient.server)
    with seaweedfs.frozen(), pytest.raises(BucketBusyError, match="does not answer"):
        ask(there, tmp_path)
