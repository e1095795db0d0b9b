"""``/api/v1/files``: a user's uploads, for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, request

from gateway.catalog import uploads, users
from gateway.catalog.tokens import Scope
from gateway.errors import NotServableError
from gateway.uploads.deletion import delete
from gateway.uploads.description import UploadDescription
from gateway.web.api import pagination
from gateway.web.api.operations import Operation
from gateway.web.api.schemas import FilePage
from gateway.web.files import owned

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.storage.blobs import Blobs
    from gateway.web.auth.identity import Identities


@dataclass(frozen=True)
class FilesAPI:
    """Lists, shows and deletes uploads."""

    database: Database
    identities: Identities
    blobs: Blobs

    def blueprint(self) -> Blueprint:
        """Return the routes.

        The last part of the path has the same name as in the route of PUT: for OpenAPI
        ``/files/{id}`` and ``/files/{name}`` are the same path.
        """
        routes = Blueprint("api_files", __name__, url_prefix="/api/v1/files")
        routes.add_url_rule("", view_func=self.listing)
        routes.add_url_rule("/<file>", view_func=self.get)
        routes.add_url_rule("/<file>", view_func=self.delete, methods=["DELETE"])
        return routes

    @Operation(
        id="listFiles",
        query=pagination.FilesQuery,
        returns={200: (FilePage,)},
        refusals=[NotServableError],
    )
    def listing(self) -> FilePage:
        """List uploads, the newest first."""
        identity = self.identities.current()
        identity.require(Scope.READ)
        query = pagination.read(pagination.FilesQuery)
        with self.database.read() as connection:
            rows = uploads.newest(
                connection,
                pagination.chosen_owner(connection, identity, query.owner),
                limit=query.rows,
                after=query.after,
                drop_id=query.drop,
            )
            page, following = pagination.newest(rows, query)
            names = users.names(connection, {upload.owner_id for upload in page})
        return FilePage(
            files=[_description(upload, names[upload.owner_id]) for upload in page],
            next=following,
        )

    @Operation(id="getFile", returns={200: (UploadDescription,)})
    def get(self, file: str) -> UploadDescription:
        """Describe an upload."""
        identity = self.identities.current()
        identity.require(Scope.READ)
        upload = owned(self.database, identity, file)
        with self.database.read() as connection:
            names = users.names(connection, {upload.owner_id})
        return _description(upload, names[upload.owner_id])

    @Operation(id="deleteFile", returns={204: ()})
    def delete(self, file: str) -> None:
        """Delete an upload; all links to it stop working."""
        identity = self.identities.current()
        identity.require(Scope.UPLOAD)
        upload = owned(self.database, identity, file)
        delete(self.database, self.blobs, upload.id)


def _description(upload: Upload, owner: str) -> UploadDescription:
    return UploadDescription.of(upload, owner, path_prefix=request.script_root)
