"""Blobs as objects in a bucket (``GATEWAY_BLOBS``), below one prefix.

The key of a blob is the prefix and the blob's name, plain ASCII.  An object is complete
or it does not exist, and the server has stored it durably when it answers.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore

from gateway.errors import BucketBusyError
from gateway.storage import presigned
from gateway.storage.blobs import blob_name, is_blob
from gateway.storage.bucket import target_of
from gateway.storage.bucket_id import BucketId
from gateway.storage.content import BucketObject, BucketPut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.storage.bucket import Bucket

_LOGGER: Final = logging.getLogger(__name__)
#: How long nginx may take to begin with the PUT, and to end it.
_LIFE: Final = timedelta(days=1)
#: Bytes of a part of a multipart upload: small, since each has to be sent in a minute.
_PART: Final = 8 * 2**20
#: The most parts of an upload.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_PARTS: Final = 10_000
_PARTS_AT_A_TIME: Final = 2
_READ_BYTES: Final = 2**20


@dataclass(frozen=True)
class BucketBlobs:
    """The blobs in ``bucket``, below its prefix; see ``blobs.Blobs``."""

    bucket: Bucket

    @property
    def has_trash(self) -> bool:
        """Whether ``retire`` keeps a blob in the trash."""
        return False

    @property
    def can_verify(self) -> bool:
        """Whether a PUT can be signed with a digest: obstore signs no headers."""
        return bool(self.bucket.server.key_id)

    def sign_put(self, blob: str, sha256: bytes | None, *, now: int) -> BucketPut:
        """Return the URL by which nginx stores the content of *blob*.

        The bucket verifies the digest *sha256*, which requires ``can_verify``.
        """
        key, seconds = self._key(blob), int(_LIFE.total_seconds())
        if sha256 is not None:
            url, checksum = presigned.put(
                self.bucket.server,
                self.bucket.url.bucket,
                key,
                sha256,
                seconds=seconds,
                now=now,
            )
            return BucketPut(blob, url, checksum)
        with self.bucket.answering():
            return BucketPut(
                blob, target_of(obstore.sign(self.bucket.store, "PUT", key, _LIFE)), ""
            )

    def adopt(self, source: Path, upload_id: str, suffix: str) -> str:
        """Store the file *source* as a blob; see ``blobs.Blobs``."""
        blob = blob_name(upload_id, suffix)
        self.load(source, blob)
        return blob

    def discard(self, blob: str) -> bool:
        """Delete a blob; see ``blobs.Blobs``."""
        try:
            with self.bucket.answering():
                obstore.delete(self.bucket.store, self._key(blob))
        except BucketBusyError as error:
            _LOGGER.warning("%s: left to housekeeping: %s", blob, error)
            return False
        return True

    def content(self, blob: str, size: int) -> BucketObject:
        """Return where nginx finds a blob."""
        return self.bucket.content(self._key(blob), size)

    def where(self, blob: str) -> str:
        """Return the URL of a blob."""
        return f"s3://{self.bucket.url.bucket}/{self._key(blob)}"

    def size(self, blob: str) -> int:
        """Return the size of a blob in bytes."""
        with self.bucket.answering(may_be_missing=True):
            return obstore.head(self.bucket.store, self._key(blob))["size"]

    def sha256(self, blob: str, *, is_stopped: Callable[[], bool]) -> bytes | None:
        """Return the digest of a blob's content; see ``blobs.Blobs``."""
        digest = hashlib.sha256()
        with self.bucket.answering(may_be_missing=True):
            stream = obstore.get(self.bucket.transfers, self._key(blob)).stream(
                _READ_BYTES
            )
            for chunk in stream:
                if is_stopped():
                    return None
                digest.update(chunk)
        return digest.digest()

    def ages(self, *, now: int) -> Iterator[tuple[str, float]]:
        """Yield every blob and the seconds since it was stored."""
        prefix = self.bucket.url.prefix
        for found in self.bucket.list(prefix):
            blob = found.key[len(prefix) :]
            if is_blob(blob):
                yield blob, now - found.modified

    def retire(self, blob: str, *, now: int) -> None:
        """Delete a blob."""
        del now
        with self.bucket.answering():
            obstore.delete(self.bucket.store, self._key(blob))

    def save(self, blob: str, target: Path, *, may_link: bool) -> None:
        """Write a blob's content to the file *target*; see ``blobs.Blobs``."""
        del may_link
        unfinished = target.with_name(target.name + ".part")
        try:
            with (
                self.bucket.answering(may_be_missing=True),
                unfinished.open("wb") as file,
            ):
                found = obstore.get(self.bucket.transfers, self._key(blob))
                file.writelines(map(bytes, found.stream(_READ_BYTES)))
                os.fsync(file.fileno())
            unfinished.rename(target)
        finally:
            unfinished.unlink(missing_ok=True)

    def load(self, source: Path, blob: str, *, may_link: bool = False) -> None:
        """Store the file *source* as *blob*, in parts if it is large."""
        del may_link
        part = max(_PART, math.ceil(source.stat().st_size / _PARTS))
        with self.bucket.answering():
            obstore.put(
                self.bucket.transfers,
                self._key(blob),
                source,
                chunk_size=part,
                max_concurrency=_PARTS_AT_A_TIME,
            )

    def is_writable(self) -> bool:
        """Return True if the bucket may be listed; else raise BucketBusyError."""
        self.bucket.check_listing()
        return True

    @property
    def id(self) -> BucketId:
        """The id of the bucket."""
        return BucketId(self.bucket)

    def _key(self, blob: str) -> str:
        if not is_blob(blob):
            raise ValueError(blob)
        return self.bucket.url.prefix + blob
