"""``/``: a person's uploads, and the form for more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from flask import Blueprint, flash, request

from gateway.catalog import drops, uploads
from gateway.catalog.tokens import Scope
from gateway.errors import NotAuthenticatedError
from gateway.storage.blobs import is_id
from gateway.uploads.deletion import delete
from gateway.web.api.files import chosen_drop
from gateway.web.api.pagination import cursor, place
from gateway.web.files import owned
from gateway.web.pages import page, see_other
from gateway.web.uploads import location

if TYPE_CHECKING:
    from flask import Response

    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.storage.blobs import BlobStore
    from gateway.web.identity import Identities

_PAGE: Final = 100


@dataclass(frozen=True)
class HomePages:
    """The page of a person's uploads; *upload_size* in bytes, 0 is no limit."""

    database: Database
    identities: Identities
    store: BlobStore
    upload_size: int

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("home", __name__)
        routes.add_url_rule("/", view_func=self.home)
        routes.add_url_rule("/delete", view_func=self.delete, methods=["POST"])
        return routes

    def home(self) -> Response:
        """Show the uploads, newest first; ``?after=`` goes on, ``?drop=`` chooses."""
        try:
            person = self.identities.person()
        except NotAuthenticatedError:
            return see_other("/login")
        after, drop_id = cursor(is_id), chosen_drop()
        with self.database.read() as connection:
            found = uploads.newest(
                connection, person.user, limit=_PAGE + 1, after=after, drop_id=drop_id
            )
            shown = found[:_PAGE]
            titles = drops.titles(
                connection, {upload.drop_id for upload in shown if upload.drop_id}
            )
        return page(
            "home.html",
            user=person.user,
            uploads=[_row(upload, titles) for upload in shown],
            older=place(shown[-1]) if len(found) > _PAGE else None,
            is_first=after is None and drop_id is None,
            drop=drop_id,
            upload_size=self.upload_size,
        )

    def delete(self) -> Response:
        """Delete an upload."""
        identity = self.identities.current()
        identity.require(Scope.UPLOAD)
        upload = owned(self.database, identity, request.form.get("id", ""))
        delete(self.database, self.store, upload.id)
        flash(f"{upload.name} is deleted.")
        return see_other("/")


def _row(upload: Upload, titles: dict[str, str]) -> dict[str, object]:
    return {
        "id": upload.id,
        "name": upload.name,
        "size": upload.size,
        "url": location(upload),
        "created": datetime.fromtimestamp(upload.created, UTC),
        "drop": upload.drop_id,
        "drop_title": titles.get(upload.drop_id or "", ""),
    }
