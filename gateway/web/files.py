"""``GET /files/<id>/<name>``: delivers an upload to its owner or an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from gateway.catalog.tokens import Scope
from gateway.delivery.accel import accel_headers
from gateway.delivery.verdict import Delivery
from gateway.links.claims import Presentation
from gateway.uploads import lookup
from gateway.web.nginx.empty_response import EmptyResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.catalog.uploads import Upload
    from gateway.delivery.verdict import InlinePolicy
    from gateway.storage.content import Content
    from gateway.web.auth.identity import Identities, Identity


def blueprint(
    database: Database,
    identities: Identities,
    inline: InlinePolicy,
    blob_content: Callable[[str, int], Content],
) -> Blueprint:
    """Return the route whose answer makes nginx send an upload."""
    routes = Blueprint("files", __name__)

    @routes.get("/files/<upload_id>/<path:name>")
    def file(upload_id: str, name: str) -> Response:
        del name  # decorative: the id alone identifies the upload
        identity = identities.current()
        identity.require(Scope.READ)
        upload = owned(database, identity, upload_id)
        requested = request.args.get("as")
        return EmptyResponse(
            headers=accel_headers(
                Delivery(
                    content=blob_content(upload.blob, upload.size),
                    name=upload.name,
                    is_inline=inline.allows(upload.media_type)
                    and requested != Presentation.ATTACHMENT,
                    max_age=0,
                    rate=None,
                )
            )
        )

    return routes


def owned(database: Database, identity: Identity, upload_id: str) -> Upload:
    """Return an upload that *identity* may use.

    Raise NotServableError for any other upload: other users' uploads look missing.
    """
    return lookup.find(database, upload_id, owner=identity.owner_filter)
