"""Check whether a verified link was revoked, or its upload's owner disabled."""

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
    """Checks links in the catalog after their signature was verified.

    Raise CatalogBusyError if the catalog does not answer: a link that may have been
    revoked is not delivered.
    """

    def __init__(self, database: Database) -> None:
        reader = Reader(database)
        self._revoked = RevocationQuery(reader)
        self._uploads = LinkedUploads(reader)

    def check(self, link: SignedURL, path: str) -> None:
        """Raise RevokedLinkError if *link*, requested for *path*, was revoked."""
        targets = revocation_targets.of_request(link, path)
        if self._revoked.covers(targets, issued=link.claims.issued):
            raise RevokedLinkError

    def upload(self, upload_id: str) -> LinkedUpload:
        """Return the upload that a link leads to.

        Raise NotServableError if it does not exist, DisabledOwnerError if its owner is
        disabled.
        """
        upload = self._uploads.by_id(upload_id)
        if upload is None:
            raise NotServableError("no-upload")
        if upload.is_owner_disabled:
            raise DisabledOwnerError
        return upload
