"""Whether a genuine link still stands, or what it permits was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.catalog.linked_uploads import LinkedUpload, LinkedUploads
from gateway.catalog.revocations import RevocationQuery
from gateway.catalog.verdict_queries import Reader
from gateway.delivery import revocation_targets
from gateway.errors import DisabledOwnerError, NotServableError, RevokedLinkError

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.links.signed_url import SignedURL


class RevocationCheck:
    """Asks the catalog about links whose signature was verified.

    A catalog that does not answer raises CatalogBusyError: what may have been
    taken back is not delivered.
    """

    def __init__(self, database: Database) -> None:
        reader = Reader(database)
        self._revoked = RevocationQuery(reader)
        self._uploads = LinkedUploads(reader)

    def check(self, link: SignedURL, path: str) -> None:
        """Raise RevokedLinkError if *link*, asked for *path*, was taken back."""
        under = revocation_targets.of_request(link, path)
        if self._revoked.covers(under, issued=link.claims.issued):
            raise RevokedLinkError

    def upload(self, upload_id: str) -> LinkedUpload:
        """Return the upload that a link leads to.

        Raise NotServableError if it is gone, DisabledOwnerError if its owner
        may no longer share.
        """
        found = self._uploads.by_id(upload_id)
        if found is None:
            raise NotServableError("no-upload")
        if found.is_owner_disabled:
            raise DisabledOwnerError
        return found
