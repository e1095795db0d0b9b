"""``POST /api/v1/files/<id>/links``: signed URLs to an upload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated

from flask import Blueprint, Response, jsonify
from pydantic import AfterValidator, Field

from gateway.catalog.tokens import Scope
from gateway.errors import BadFieldsError, BadNameError, ClaimsError
from gateway.links import LinkSigner
from gateway.links.claims import (
    MAXIMUM_NETWORKS,
    MAXIMUM_NUMBER,
    MAXIMUM_TIME,
)
from gateway.storage.names import DisplayName
from gateway.web.api import json_bodies
from gateway.web.files import owned

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.links import KeyRing
    from gateway.links.signer import Expiry
    from gateway.web.auth.identity import Identities

Beginning = Annotated[json_bodies.Moment, Field(ge=1, le=MAXIMUM_TIME)]


def _name(text: str) -> str:
    try:
        return DisplayName.parse(text).text
    except BadNameError as error:
        raise ValueError(str(error)) from None


def _network(text: str) -> str:
    return str(ip_network(text))


class CreateLinkRequest(json_bodies.Lasting):
    """What a link is to permit; ``rate`` is in bytes a second."""

    not_before: Beginning | None = None
    attachment: bool = False
    name: Annotated[str, AfterValidator(_name)] | None = None
    rate: Annotated[int, Field(ge=1, le=MAXIMUM_NUMBER)] | None = None
    networks: Annotated[
        list[Annotated[str, AfterValidator(_network)]],
        Field(max_length=MAXIMUM_NETWORKS),
    ] = Field(default=[])

    @property
    def expiry(self) -> Expiry:
        """Return the end as a signer takes it."""
        if self.expires_in is not None:
            return timedelta(seconds=self.expires_in)
        return _moment(self.expires) if self.expires else "never"


@dataclass(frozen=True)
class UploadLinks:
    """Signs URLs to uploads; ``base_url`` tells the address that people use."""

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

    def make(self, upload_id: str) -> tuple[Response, int]:
        """Return a new signed URL to an upload."""
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
                not_before=None if begins is None else _moment(begins),
                presentation="attachment" if requested.attachment else None,
                rate=requested.rate,
                networks=requested.networks,
                upload=upload.id,
            )
        except ClaimsError as error:
            raise BadFieldsError({"": str(error)}) from None
        return jsonify({"url": url}), 201


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
