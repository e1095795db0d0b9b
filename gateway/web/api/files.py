"""``/api/v1/files``: a user's uploads, for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, jsonify, request

from gateway.catalog import ids, uploads
from gateway.catalog.tokens import Scope
from gateway.errors import BadUploadError
from gateway.storage.blobs import is_id
from gateway.uploads.deletion import delete
from gateway.web.api.pagination import cursor, place
from gateway.web.files import owned
from gateway.web.uploads import described

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.storage.blobs import BlobStore
    from gateway.web.identity import Identities

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
        """Return some of the caller's uploads, newest first, and where more are.

        With ``?drop=`` only those that came by that drop link.
        """
        identity = self.identities.current()
        identity.require(Scope.READ)
        drop_id = chosen_drop()
        with self.database.read() as connection:
            page = uploads.newest(
                connection,
                identity.user,
                limit=_PAGE,
                after=cursor(is_id),
                drop_id=drop_id,
            )
        more = None
        if len(page) == _PAGE:
            by_drop = f"drop={drop_id}&" if drop_id else ""
            more = f"/api/v1/files?{by_drop}after={place(page[-1])}"
        return jsonify({"files": [described(upload) for upload in page], "next": more})

    def one(self, upload_id: str) -> Response:
        """Return one upload."""
        identity = self.identities.current()
        identity.require(Scope.READ)
        return jsonify(described(owned(self.database, identity, upload_id)))

    def delete(self, upload_id: str) -> Response:
        """Delete an upload."""
        identity = self.identities.current()
        identity.require(Scope.UPLOAD)
        upload = owned(self.database, identity, upload_id)
        delete(self.database, self.store, upload.id)
        return Response(status=204)


def chosen_drop() -> str | None:
    """Return the id of the drop link that the request's ``?drop=`` names, if any."""
    text = request.args.get("drop")
    if text is not None and not ids.is_id(text):
        raise BadUploadError("drop-is-no-id")
    return text
