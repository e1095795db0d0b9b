"""``/api/v1/files``: a user's uploads, for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, jsonify

from gateway.catalog import uploads, users
from gateway.catalog.tokens import Scope
from gateway.storage.blobs import is_id
from gateway.uploads.deletion import delete
from gateway.web.api.pagination import chosen_drop, chosen_owner, cursor, following
from gateway.web.api.raw_uploads import upload_as_json
from gateway.web.files import owned

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.storage.blobs import BlobStore
    from gateway.web.auth.identity import Identities

_PAGE: Final = 100


@dataclass(frozen=True)
class FilesAPI:
    """Lists, shows and deletes uploads."""

    database: Database
    identities: Identities
    store: BlobStore

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("api_files", __name__, url_prefix="/api/v1/files")
        routes.add_url_rule("", view_func=self.listing)
        routes.add_url_rule("/<upload_id>", view_func=self.one)
        routes.add_url_rule("/<upload_id>", view_func=self.delete, methods=["DELETE"])
        return routes

    def listing(self) -> Response:
        """Return some uploads, newest first, and where more are.

        The caller's own, or an admin's choice with ``?owner=``; with ``?drop=`` only
        those that came by that drop link.
        """
        identity = self.identities.current()
        identity.require(Scope.READ)
        with self.database.read() as connection:
            page = uploads.newest(
                connection,
                chosen_owner(connection, identity),
                limit=_PAGE,
                after=cursor(is_id),
                drop_id=chosen_drop(),
            )
            names = users.names(connection, {upload.owner_id for upload in page})
        found = [upload_as_json(upload, names[upload.owner_id]) for upload in page]
        more = following(page[-1]) if len(page) == _PAGE else None
        return jsonify({"files": found, "next": more})

    def one(self, upload_id: str) -> Response:
        """Return one upload."""
        identity = self.identities.current()
        identity.require(Scope.READ)
        upload = owned(self.database, identity, upload_id)
        with self.database.read() as connection:
            names = users.names(connection, {upload.owner_id})
        return jsonify(upload_as_json(upload, names[upload.owner_id]))

    def delete(self, upload_id: str) -> Response:
        """Delete an upload."""
        identity = self.identities.current()
        identity.require(Scope.UPLOAD)
        upload = owned(self.database, identity, upload_id)
        delete(self.database, self.store, upload.id)
        return Response(status=204)
