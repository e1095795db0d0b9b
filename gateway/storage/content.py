"""Where nginx finds the bytes of a file."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

#: The name of nginx's internal locations for blobs.
BLOBS: Final = "blobs"


@dataclass(frozen=True)
class DiskFile:
    """A file in a folder that nginx has internal locations for.

    ``folder`` is the name of the locations: ``files``, ``files_2`` or ``blobs``.
    ``path`` is the file's symlink-free path in that folder, ``size`` is in bytes.
    """

    folder: str
    path: str
    size: int


@dataclass(frozen=True)
class BucketObject:
    """An object in a bucket, which nginx requests by presigned URLs.

    ``get`` and ``head`` are the URLs' paths with the query, one for each method.
    Whether the object exists is not known before nginx asks for it; ``size`` is in
    bytes, 0 if it is not known.
    """

    get: str
    head: str
    size: int = 0


@dataclass(frozen=True)
class BucketPut:
    """A blob that nginx stores in a bucket, by the path and query of a presigned URL.

    ``checksum`` is the value of the header ``x-amz-checksum-sha256``, with which the
    bucket verifies the content; empty if it is not to verify it.
    """

    blob: str
    url: str
    checksum: str


@dataclass(frozen=True)
class PutAnswer:
    """The bucket's answer to the PUT of a blob; ``status`` is the one of HTTP.

    ``sha256`` is the digest of the content in the answer, None without one.
    """

    blob: str
    status: int
    sha256: bytes | None

    @property
    def is_stored(self) -> bool:
        """Whether the bucket has the blob."""
        return self.status == HTTPStatus.OK


Content = DiskFile | BucketObject


def blob_on_disk(blob: str, size: int) -> Content:
    """Return where nginx finds a blob in the store."""
    return DiskFile(BLOBS, blob, size)
