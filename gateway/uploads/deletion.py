"""Deletes uploads; the caller has checked the permission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.catalog import uploads

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.storage.blobs import Blobs


def delete(database: Database, blobs: Blobs, upload_id: str) -> Upload | None:
    """Delete an upload: first its row, then its blob.

    Return the deleted upload, or None if there is no upload of that id.
    """
    with database.write(may_use_reserve=True) as connection:
        upload = uploads.by_id(connection, upload_id)
        if upload is not None:
            uploads.remove(connection, upload)
    if upload is not None:
        blobs.discard(upload.blob)
    return upload
