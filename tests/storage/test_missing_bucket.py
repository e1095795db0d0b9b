"""A bucket that was deleted: not the same as an object that is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.errors import BucketBusyError
from gateway.storage.bucket import Bucket
from gateway.storage.bucket_blobs import BucketBlobs
from gateway.storage.places import BucketURL
from tests.live.fake_bucket import FakeBucket
from tests.storage.test_files import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BLOB = "aa/" + "a" * 26 + ".bin"


def missing(code: str) -> bytes:
    """Return the answer of Amazon's server with a code."""
    body = f"<Error><Code>{code}</Code></Error>"
    lines = (
        "HTTP/1.1 404 Not Found",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", body)).encode()


@pytest.fixture
def bucket() -> Iterator[FakeBucket]:
    with FakeBucket().running() as running:
        running.script = lambda _method: missing("NoSuchBucket")
        yield running


@pytest.fixture
def blobs(bucket: FakeBucket) -> BucketBlobs:
    url = BucketURL("media", "")
    return BucketBlobs(Bucket.open(url, server(f"http://127.0.0.1:{bucket.port}")))


def load(blobs: BucketBlobs, folder: Path) -> None:
    (folder / "source").write_bytes(b"content")
    blobs.load(folder / "source", BLOB)


def save(blobs: BucketBlobs, folder: Path) -> None:
    blobs.save(BLOB, folder / "copy", may_link=False)


def sha256(blobs: BucketBlobs, _: Path) -> object:
    return blobs.sha256(BLOB, is_stopped=bool)


def retire(blobs: BucketBlobs, _: Path) -> None:
    blobs.retire(BLOB, now=0)


def identify(blobs: BucketBlobs, _: Path) -> object:
    return blobs.id.confirmed()


@pytest.mark.parametrize("use", [load, save, sha256, retire, identify])
def test_a_missing_bucket_is_an_outage(
    blobs: BucketBlobs, tmp_path: Path, use: Callable[[BucketBlobs, Path], object]
) -> None:
    with pytest.raises(BucketBusyError, match=r"404 Not Found \(NoSuchBucket\)") as e:
        use(blobs, tmp_path)
    assert e.value.status == 404


@pytest.mark.parametrize("read", [save, sha256])
def test_a_missing_object_is_a_missing_file(
    bucket: FakeBucket,
    blobs: BucketBlobs,
    tmp_path: Path,
    read: Callable[[BucketBlobs, Path], object],
) -> None:
    bucket.script = lambda _method: missing("NoSuchKey")
    with pytest.raises(FileNotFoundError):
        read(blobs, tmp_path)


def test_what_can_not_be_deleted_in_a_missing_bucket_is_logged(
    blobs: BucketBlobs, caplog: pytest.LogCaptureFixture
) -> None:
    blobs.discard(BLOB)
    [line] = caplog.messages
    assert line.startswith(f"{BLOB}: left to housekeeping: bucket s3://media")
    assert "NoSuchBucket" in line
