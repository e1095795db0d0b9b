"""What nginx tells of a body that it has spooled: never a byte of it.

The names of the headers stand in ``nginx/snippets/facts.conf`` and ``spool.conf``; a
client can set none of them.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from flask import request

from gateway.errors import BadUploadError, ContentEncodingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.storage.blobs import BlobStore

SPOOL_HEADER: Final = "X-Spool-File"
ORIGINAL_URI_HEADER: Final = "X-Original-URI"
ORIGINAL_METHOD_HEADER: Final = "X-Original-Method"
ORIGINAL_LENGTH_HEADER: Final = "X-Original-Length"


def original_path() -> str:
    """Return the path that the client asked for, as it came.

    It ends where nginx and gunicorn have it end, at the first ``?`` or ``#``.
    """
    return re.split("[?#]", request.headers.get(ORIGINAL_URI_HEADER, ""))[0]


def announced_length() -> int | None:
    """Return how long the client says that the body is, in bytes.

    None is a body without a length; an admission hears 0 of a request without a body.
    """
    length = request.headers.get(ORIGINAL_LENGTH_HEADER) or None
    return None if length is None else int(length)


def check_encoding() -> None:
    """Raise ContentEncodingError for a body that is not to be stored as it comes.

    RFC 9110, 8.4: its name and its digest are those of what the encoding hides.
    """
    said = request.headers.get("Content-Encoding", "").strip().lower()
    if said not in {"", "identity"}:
        raise ContentEncodingError(said)


@contextmanager
def spooled_body(store: BlobStore) -> Iterator[Path]:
    """Give the spooled body, which nginx deletes after the answer."""
    named = request.headers.get(SPOOL_HEADER, "")
    if not named and not announced_length():
        # nginx spools no file for an empty body.
        with store.empty_file() as path:
            yield path
        return
    spooled = store.spooled_file(named)
    if spooled is None:
        raise BadUploadError("no-body")
    yield spooled
