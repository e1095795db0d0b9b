"""How long the gateway's own requests to a bucket may take."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from gateway.errors import BucketBusyError
from gateway.origin import Origin
from gateway.storage import bucket
from gateway.storage.bucket import Bucket
from gateway.storage.bucket_blobs import BucketBlobs
from gateway.storage.places import BucketURL
from tests.live.seaweedfs import BUCKET
from tests.live.tcp_proxy import STEP, TCPProxy
from tests.storage.test_files import server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.seaweedfs import SeaweedFS

CONTENT = os.urandom(2**20)
BLOB = "aa/" + "a" * 26 + ".bin"
#: Bytes per second in each direction: the content takes two seconds.
RATE = 2**19


class SlowLink(TCPProxy):
    """Passes RATE bytes in a second on, in each direction."""

    def send(self, client: socket.socket, server: socket.socket) -> None:
        while chunk := client.recv(STEP):
            server.sendall(chunk)
            time.sleep(len(chunk) / RATE)

    def give_back(self, server: socket.socket, client: socket.socket) -> None:
        self.send(server, client)


def blobs(endpoint: str) -> BucketBlobs:
    url = BucketURL(BUCKET, f"{token_hex(4)}/")
    return BucketBlobs(Bucket.open(url, server(endpoint)))


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


def ages(blobs: BucketBlobs, _: Path) -> object:
    return [*blobs.ages(now=0)]


def test_content_may_take_longer_than_a_request(
    seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_REQUEST", timedelta(seconds=0.5))
    target = Origin.of(seaweedfs.endpoint)
    with SlowLink((target.host, target.port)) as link:
        there = blobs(link.url)
        load(there, tmp_path)
        save(there, tmp_path)
        assert sha256(there, tmp_path)
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize("ask", [load, save, sha256, size, ages])
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
    opened = Bucket.open(patient.bucket.url, patient.bucket.server)
    there = BucketBlobs(opened)
    with seaweedfs.frozen(), pytest.raises(BucketBusyError, match="does not answer"):
        ask(there, tmp_path)
