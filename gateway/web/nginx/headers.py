"""The headers that nginx adds to a request, about the client's request and its body.

``nginx/snippets/facts.conf``, ``spool.conf`` and ``store.conf`` set them; a client can
set none of them.  nginx passes the name of a spooled body, never a byte of it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from flask import request

from gateway.errors import (
    BadUploadError,
    ContentEncodingError,
)
from gateway.storage import presigned
from gateway.storage.content import PutAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.storage.blobs import BlobStore

#: The request's id. nginx generates it; it appears in both logs and on error pages.
REQUEST_ID_HEADER: Final = "X-Request-ID"
#: The client's traceparent (W3C Trace Context), if it is valid.
TRACE_HEADER: Final = "traceparent"
SPOOL_HEADER: Final = "X-Spool-File"
#: The name of the blob that nginx has sent to the bucket, with status and checksum of
#: the bucket's answer.
BLOB_HEADER: Final = "X-Gateway-Blob"
BUCKET_STATUS_HEADER: Final = "X-Bucket-Status"
BUCKET_CHECKSUM_HEADER: Final = "X-Bucket-Checksum"
ORIGINAL_URI_HEADER: Final = "X-Original-URI"
ORIGINAL_METHOD_HEADER: Final = "X-Original-Method"
ORIGINAL_LENGTH_HEADER: Final = "X-Original-Length"


def request_id() -> str:
    """Return the request's id; its reservation has the same id."""
    return request.headers.get(REQUEST_ID_HEADER, "")


def original_path() -> str:
    """Return the path of the client's request, not decoded, without the path prefix.

    It ends at the first ``?`` or ``#``, as in nginx and gunicorn.
    """
    target = request.headers.get(ORIGINAL_URI_HEADER, "")
    return re.split("[?#]", target)[0].removeprefix(request.script_root)


def announced_length() -> int | None:
    """Return the body's length in bytes, as the client announces it.

    None means a body of unknown length; in an admission, 0 means no body.
    """
    length = request.headers.get(ORIGINAL_LENGTH_HEADER) or None
    return None if length is None else int(length)


def check_encoding() -> None:
    """Raise ContentEncodingError for an encoded body, which can't be stored as sent.

    RFC 9110, 8.4: name and digest belong to the content, not to its encoded form.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise ContentEncodingError(encoding)


def spooled_file(store: BlobStore) -> Path | None:
    """Return the path of the spooled body; None if nginx named no file of the spool."""
    return store.spooled_file(request.headers.get(SPOOL_HEADER, ""))


def put_answer() -> PutAnswer | None:
    """Return the bucket's answer to nginx's PUT of the body.

    Return None if nginx has not sent the body, since it is draining.
    """
    status = request.headers.get(BUCKET_STATUS_HEADER)
    if not status:
        return None
    checksum = request.headers.get(BUCKET_CHECKSUM_HEADER)
    return PutAnswer(
        request.headers[BLOB_HEADER],
        int(status),
        presigned.parse_checksum(checksum) if checksum else None,
    )


@contextmanager
def spooled_body(store: BlobStore) -> Iterator[Path]:
    """Yield the path of the spooled body; nginx deletes the file after the answer.

    Raise BadUploadError if nginx has named no file of the spool.
    """
    if not request.headers.get(SPOOL_HEADER) and not announced_length():
        # nginx spools no file for an empty body.
        with store.empty_file() as path:
            yield path
        return
    spooled = spooled_file(store)
    if spooled is None:
        raise BadUploadError("no-body")
    yield spooled
