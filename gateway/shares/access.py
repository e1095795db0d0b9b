"""Find shares and recipients, and create new items, for pages, API and commands.

In every function *owner* is the user whose shares and files are permitted; None permits
the shares and files of all users, for admins and the operator's commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.catalog import ids, recipients, shares
from gateway.catalog.shares import NewItem
from gateway.errors import NotPermittedError, NotServableError
from gateway.shares.items import of_files
from gateway.uploads import lookup

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Share
    from gateway.catalog.users import User
    from gateway.storage.files import Files


def find_share(database: Database, share_id: str, *, owner: User | None) -> Share:
    """Return a share of *owner*'s.

    Raise NotServableError if it does not exist or belongs to another user.
    """
    share = None
    if ids.is_id(share_id):
        with database.read() as connection:
            share = shares.by_id(connection, share_id)
    if share is None:
        raise NotServableError("no-share")
    if owner is not None and share.owner_id != owner.id:
        raise NotServableError("not-owner")
    return share


def find_recipient(database: Database, share: Share, recipient_id: str) -> Recipient:
    """Return a recipient of *share*; raise NotServableError for any other id."""
    recipient = None
    if ids.is_id(recipient_id):
        with database.read() as connection:
            recipient = recipients.by_id(connection, recipient_id)
    if recipient is None or recipient.share_id != share.id:
        raise NotServableError("no-recipient")
    return recipient


def upload_item(database: Database, upload_id: str, *, owner: User | None) -> NewItem:
    """Return a new item for an upload of *owner*'s.

    Raise NotServableError if it does not exist or belongs to another user.
    """
    upload = lookup.find(database, upload_id, owner=owner)
    return NewItem(upload.name, upload_id=upload.id)


def path_item(files: Files, path: str, *, owner: User | None) -> NewItem:
    """Return a new item for a file or folder.

    Raise NotPermittedError unless *owner* is None: the files belong to no user.  Raise
    BadFieldsError if there is no such file or folder.
    """
    if owner is not None:
        raise NotPermittedError("tree")
    return of_files(files, path)
