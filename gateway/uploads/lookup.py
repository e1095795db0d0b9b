"""Find an upload that a user may use, for pages, API and commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.catalog import uploads
from gateway.errors import NotServableError
from gateway.storage.blobs import is_id

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.catalog.users import User


def find(database: Database, upload_id: str, *, owner: User | None) -> Upload:
    """Return an upload that *owner* owns; None permits the uploads of all users.

    Raise NotServableError if it does not exist or belongs to another user.
    """
    upload = None
    if is_id(upload_id):
        with database.read() as connection:
            upload = uploads.by_id(connection, upload_id)
    if upload is None:
        raise NotServableError("no-upload")
    if owner is not None and upload.owner_id != owner.id:
        raise NotServableError("not-owner")
    return upload
