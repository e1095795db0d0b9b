"""Compute the SHA-256 of uploads that were sent without one, in the background."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from gateway.catalog import expiry, uploads
from gateway.errors import BucketBusyError, HousekeepingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.storage.blobs import Blobs

#: Bytes to read per round; a larger file is the only one of its round.
_BYTES: Final = 2**30
_PAGE: Final = 1000
#: Statuses by which a bucket may refuse one object, for example an archived one.
_OF_OBJECT: Final = frozenset({HTTPStatus.FORBIDDEN})


def record(
    database: Database, blobs: Blobs, *, is_stopped: Callable[[], bool]
) -> Iterator[int]:
    """Record missing digests, oldest uploads first; yield 1 for each digest.

    Blobs that can't be read are skipped, so that they don't block the others; raise
    HousekeepingError about them at the end.  If a bucket fails, the others wait for the
    next round: a silent server would hold each of them for a minute.
    """
    read, failed = 0, []
    for upload in _without_digest(database):
        if is_stopped() or (read and read + upload.size > _BYTES):
            break
        try:
            digest = blobs.sha256(upload.blob, is_stopped=is_stopped)
        except (OSError, BucketBusyError) as error:
            # The upload may have been deleted meanwhile.
            if _exists(database, upload):
                failed.append(f"{upload.id}: {error}")
            if isinstance(error, BucketBusyError) and error.status not in _OF_OBJECT:
                break
            continue
        if digest is None:
            break
        read += upload.size
        with database.write() as connection:
            expiry.note_digest(connection, upload, digest)
        yield 1
    if failed:
        raise HousekeepingError(
            f"{len(failed)} can't be read, first {failed[0]}; gateway fsck lists all"
        )


def _without_digest(database: Database) -> Iterator[Upload]:
    after = None
    while True:
        with database.read() as connection:
            page = expiry.without_digest(connection, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].created, page[-1].id


def _exists(database: Database, upload: Upload) -> bool:
    with database.read() as connection:
        return uploads.by_id(connection, upload.id) is not None
