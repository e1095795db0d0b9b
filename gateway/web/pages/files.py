"""``/``: a user's uploads, for admins those of any user, with the upload form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, flash, request, url_for

from gateway.catalog import drops, uploads, users
from gateway.catalog.tokens import Scope
from gateway.errors import NotAuthenticatedError
from gateway.uploads.deletion import delete
from gateway.uploads.description import upload_path
from gateway.web.api import pagination
from gateway.web.api.pagination import FilesQuery, chosen_owner, listed
from gateway.web.auth import redirects
from gateway.web.files import owned
from gateway.web.pages import page, see_other
from gateway.web.path_prefix import prefixed

if TYPE_CHECKING:
    from flask import Response

    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.storage.blobs import Blobs
    from gateway.web.auth.identity import Identities


@dataclass(frozen=True)
class FilePages:
    """The page of a user's uploads.

    *upload_size* is the maximum size of a file in bytes, 0 for no limit.
    """

    database: Database
    identities: Identities
    blobs: Blobs
    upload_size: int

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("file_pages", __name__)
        routes.add_url_rule("/", view_func=self.listing)
        routes.add_url_rule("/delete", view_func=self.delete, methods=["POST"])
        return routes

    def listing(self) -> Response:
        """Show uploads, newest first; for the query, see ``pagination``."""
        try:
            person = self.identities.person()
        except NotAuthenticatedError:
            return see_other(url_for("accounts.login"))
        query = pagination.read(FilesQuery)
        with self.database.read() as connection:
            owner = chosen_owner(connection, person, query.owner)
            found = uploads.newest(
                connection,
                owner,
                limit=query.rows,
                after=query.after,
                drop_id=query.drop,
            )
            shown, older = pagination.newest(found, query)
            titles = drops.titles(
                connection, {upload.drop_id for upload in shown if upload.drop_id}
            )
            names = users.names(connection, {upload.owner_id for upload in shown})
        return page(
            "files.html",
            user=person.user,
            owner=owner,
            uploads=[_row(upload, titles, names) for upload in shown],
            listed=listed,
            older=older,
            is_first=query.after is None,
            is_all=query.drop is None,
            upload_size=self.upload_size,
        )

    def delete(self) -> Response:
        """Delete an upload."""
        identity = self.identities.current()
        identity.require(Scope.UPLOAD)
        upload = owned(self.database, identity, request.form.get("id", ""))
        delete(self.database, self.blobs, upload.id)
        flash(f"{upload.name} was deleted.")
        home = url_for("file_pages.listing")
        return see_other(redirects.local(request.form.get("next"), home))


def _row(
    upload: Upload, titles: dict[str, str], names: dict[int, str]
) -> dict[str, object]:
    return {
        "id": upload.id,
        "name": upload.name,
        "size": upload.size,
        "type": upload.media_type,
        "url": prefixed(upload_path(upload.id, upload.name)),
        "created": upload.created,
        "owner": names[upload.owner_id],
        "drop": upload.drop_id,
        "drop_title": titles.get(upload.drop_id or "", ""),
    }
