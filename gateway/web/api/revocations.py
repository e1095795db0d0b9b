"""``/api/v1/revocations``: revokes links, and undoes revocations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint

from gateway.catalog import revocations
from gateway.catalog.revocations import Revocation
from gateway.catalog.tokens import Scope
from gateway.delivery import revocation_targets
from gateway.errors import (
    BadFieldsError,
    NotPermittedError,
    NotServableError,
    RevocationError,
)
from gateway.web.api import json_bodies, pagination
from gateway.web.api.operations import Operation
from gateway.web.api.schemas import (
    CreateRevocationRequest,
    RevocationDescription,
    RevocationPage,
)
from gateway.web.files import owned

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.links import KeyRing
    from gateway.web.auth.identity import Identities, Identity

# No subject contains it, and PostgreSQL accepts it in no text.
_NUL: Final = "\0"


@dataclass(frozen=True)
class RevocationsAPI:
    """Revokes links, lists revocations, and undoes them."""

    database: Database
    identities: Identities
    ring: KeyRing
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("revocations", __name__, url_prefix="/api/v1/revocations")
        routes.add_url_rule("", view_func=self.listing)
        routes.add_url_rule("", view_func=self.make, methods=["POST"])
        routes.add_url_rule("/<path:subject>", view_func=self.undo, methods=["DELETE"])
        return routes

    @Operation(
        id="createRevocation",
        body=CreateRevocationRequest,
        returns={201: (RevocationDescription,)},
        # The upload does not exist, or belongs to another user.
        refusals=[NotServableError],
    )
    def make(self) -> RevocationDescription:
        """Revoke links.

        When the answer is sent, the links do not work any more. Administrators may
        revoke all links, members with the scope `share` the links to their uploads.
        Links that are issued later are valid.
        """
        identity = self.identities.current()
        if not identity.is_admin:
            identity.require(Scope.SHARE)
        requested = json_bodies.read(CreateRevocationRequest)
        try:
            new = self._revocation(identity, requested, now=int(self.clock()))
            with self.database.write(may_use_reserve=True, alone=False) as connection:
                revocation = revocations.revoke(connection, new)
        except RevocationError as error:
            raise BadFieldsError({requested.field: str(error)}) from None
        return RevocationDescription.model_validate(revocation)

    @Operation(
        id="listRevocations",
        query=pagination.RevocationsQuery,
        returns={200: (RevocationPage,)},
    )
    def listing(self) -> RevocationPage:
        """List revocations in the order of their subjects, for administrators."""
        self._require_admin(self.identities.current())
        query = pagination.read(pagination.RevocationsQuery)
        with self.database.read() as connection:
            rows = revocations.listing(connection, limit=query.rows, after=query.after)
        page, following = pagination.cut(rows, query, lambda last: last.subject)
        return RevocationPage(
            revocations=[RevocationDescription.model_validate(each) for each in page],
            next=following,
        )

    @Operation(id="undoRevocation", returns={204: ()})
    def undo(self, subject: str) -> None:
        """Undo a revocation: the links of its subject work again."""
        self._require_admin(self.identities.current())
        if _NUL in subject:
            raise NotServableError("no-revocation")
        try:
            with self.database.write(alone=False) as connection:
                revocations.undo(connection, subject)
        except RevocationError:
            raise NotServableError("no-revocation") from None

    def _revocation(
        self, identity: Identity, requested: CreateRevocationRequest, *, now: int
    ) -> Revocation:
        until, keep_until = requested.before or now, None
        if requested.url is not None:
            link = revocation_targets.verified(self.ring, requested.url)
            self._require_power_over(identity, link.claims.upload)
            subject = revocations.of_url(link.mac)
            until, keep_until = link.claims.issued, link.claims.expires
        elif requested.upload is not None:
            self._require_power_over(identity, requested.upload)
            subject = revocations.of_upload(requested.upload)
        else:
            self._require_admin(identity)
            subject = (
                revocation_targets.of_path(requested.path)
                if requested.path is not None
                else revocation_targets.of_key(self.ring, requested.key or "")
            )
        return Revocation(
            subject=subject, issued_until=until, created=now, keep_until=keep_until
        )

    def _require_power_over(self, identity: Identity, upload_id: str | None) -> None:
        if upload_id is None:
            self._require_admin(identity)
        else:
            owned(self.database, identity, upload_id)

    def _require_admin(self, identity: Identity) -> None:
        if not identity.is_admin:
            raise NotPermittedError("admin")
