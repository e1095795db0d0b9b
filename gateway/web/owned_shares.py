"""Shares in requests: checks whether the sender may use a share.

The rules themselves are in ``gateway/shares/access.py``, without HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Response

from gateway.delivery.disposition import content_disposition
from gateway.errors import BadFieldsError, NotServableError
from gateway.shares import access, export

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.catalog.database import Database
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import NewItem, Share
    from gateway.shares.changes import ShareChanges
    from gateway.shares.codes import ShareCodes
    from gateway.shares.description import Descriptions
    from gateway.shares.items import Items
    from gateway.web.auth.identity import Identities, Identity


@dataclass(frozen=True)
class Shares:
    """The services of shares, and the shares that an identity may use."""

    database: Database
    identities: Identities
    codes: ShareCodes
    items: Items
    changes: ShareChanges
    descriptions: Descriptions

    def owned(self, identity: Identity, share_id: str) -> Share:
        """Return a share that *identity* may change.

        Raise NotServableError for any other share: other users' shares look missing.
        """
        return access.find_share(self.database, share_id, owner=identity.owner_filter)

    def recipient(self, share: Share, recipient_id: str) -> Recipient:
        """Return a recipient of *share*; raise NotServableError for any other id."""
        return access.find_recipient(self.database, share, recipient_id)

    def table(self, share: Share) -> Response:
        """Return the deliveries of a share as a CSV file, for spreadsheets."""

        def lines() -> Iterator[str]:
            with self.database.read() as connection:
                yield from export.table(connection, share.id)

        response = Response(lines(), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = content_disposition(
            f"sent-{share.id}.csv", is_inline=False
        )
        return response

    def item(
        self, identity: Identity, *, upload: str | None, path: str | None
    ) -> NewItem:
        """Return a new item for an upload's id or for a path of the files tree.

        Raise BadFieldsError for a missing file or another user's upload, and
        NotPermittedError if a member names a path.
        """
        if (upload is None) == (path is None):
            raise BadFieldsError({"items": "give either an upload or a path"})
        owner = identity.owner_filter
        if path is not None:
            return access.path_item(self.items.files, path, owner=owner)
        try:
            return access.upload_item(self.database, upload or "", owner=owner)
        except NotServableError:
            raise BadFieldsError({"items": f"there is no upload {upload}"}) from None
