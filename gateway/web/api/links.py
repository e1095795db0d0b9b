"""``POST /api/v1/files/<id>/links``: signed URLs to an upload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Blueprint

from gateway.catalog.tokens import Scope
from gateway.errors import BadFieldsError, ClaimsError
from gateway.links import LinkSigner
from gateway.web.api import json_bodies
from gateway.web.api.operations import Operation
from gateway.web.api.schemas import CreateLinkRequest, LinkDescription
from gateway.web.files import owned

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.links import KeyRing
    from gateway.web.auth.identity import Identities


@dataclass(frozen=True)
class UploadLinks:
    """Signs URLs to uploads; ``base_url`` returns the public address of the gateway."""

    database: Database
    identities: Identities
    ring: KeyRing
    base_url: Callable[[], str]
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("api_links", __name__)
        routes.add_url_rule(
            "/api/v1/files/<upload_id>/links", view_func=self.make, methods=["POST"]
        )
        return routes

    @Operation(
        id="createLink",
        body=CreateLinkRequest,
        returns={201: (LinkDescription,)},
    )
    def make(self, upload_id: str) -> LinkDescription:
        """Sign a URL of an upload, which opens it without a login."""
        identity = self.identities.current()
        identity.require(Scope.SHARE)
        upload = owned(self.database, identity, upload_id)
        requested = json_bodies.read(CreateLinkRequest)
        begins = requested.not_before
        signer = LinkSigner(self.ring, self.base_url(), clock=self.clock)
        try:
            url = signer.sign(
                requested.name or upload.name,
                expires=requested.expiry,
                not_before=None
                if begins is None
                else datetime.fromtimestamp(begins, UTC),
                presentation="attachment" if requested.attachment else None,
                rate=requested.rate,
                shared=requested.shared,
                networks=requested.networks,
                upload=upload.id,
            )
        except ClaimsError as error:
            raise BadFieldsError({"": str(error)}) from None
        return LinkDescription(url=url)
