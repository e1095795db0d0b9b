"""Shares as pages and API meet them: whose they are, and what may be shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Response

from gateway.catalog import ids, recipients, shares
from gateway.catalog.shares import NewItem
from gateway.delivery.disposition import content_disposition
from gateway.errors import (
    BadFieldsError,
    NotPermittedError,
    NotServableError,
)
from gateway.shares import export
from gateway.shares.items import of_tree
from gateway.web.files import owned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.catalog.database import Database
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Share
    from gateway.shares.changes import ShareChanges
    from gateway.shares.codes import ShareCodes
    from gateway.shares.description import Descriptions
    from gateway.shares.items import Items
    from gateway.web.auth.identity import Identities, Identity


@dataclass(frozen=True)
class Shares:
    """What a member may do with shares."""

    database: Database
    identities: Identities
    codes: ShareCodes
    items: Items
    changes: ShareChanges
    descriptions: Descriptions

    def owned(self, identity: Identity, share_id: str) -> Share:
        """Return a share that *identity* may change; all others are not there."""
        share = None
        if ids.is_id(share_id):
            with self.database.read() as connection:
                share = shares.by_id(connection, share_id)
        if share is None:
            raise NotServableError("no-share")
        if share.owner_id != identity.user.id and not identity.is_admin:
            raise NotServableError("not-owner")
        return share

    def recipient(self, share: Share, recipient_id: str) -> Recipient:
        """Return a recipient of a share; raise NotServableError for anybody else."""
        found = None
        if ids.is_id(recipient_id):
            with self.database.read() as connection:
                found = recipients.by_id(connection, recipient_id)
        if found is None or found.share_id != share.id:
            raise NotServableError("no-recipient")
        return found

    def table(self, share: Share) -> Response:
        """Return what was sent of a share, as a table for a spreadsheet."""

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
        """Return what *identity* wants to share, by an upload's id or a path.

        Raise BadFieldsError for what is not there, or not theirs, and
        NotPermittedError for the tree, which is the operator's.
        """
        if (upload is None) == (path is None):
            raise BadFieldsError({"items": "give either an upload or a path"})
        if path is not None:
            if not identity.is_admin:
                raise NotPermittedError("tree")
            return of_tree(self.items.tree, path)
        try:
            found = owned(self.database, identity, upload or "")
        except NotServableError:
            raise BadFieldsError({"items": f"there is no upload {upload}"}) from None
        return NewItem(found.name, upload_id=found.id)
