"""``/api/v1/revocations``: links are taken back, and given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Self

from flask import Blueprint, Response, jsonify, request
from pydantic import Field, model_validator

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
from gateway.links.claims import MAXIMUM_TIME
from gateway.web.api import json_bodies
from gateway.web.files import owned

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.links import KeyRing
    from gateway.web.auth.identity import Identities, Identity

_PAGE: Final = 100
# In no subject; PostgreSQL takes it in no text at all.
_NUL: Final = "\0"


class CreateRevocationRequest(json_bodies.Body):
    """What to take back: one of the four, for links issued until ``before``.

    Without ``before`` that is now; a single URL is taken back whenever issued.
    """

    url: str | None = None
    path: str | None = None
    key: str | None = None
    upload: str | None = None
    before: Annotated[json_bodies.Moment, Field(ge=1, le=MAXIMUM_TIME)] | None = None

    @model_validator(mode="after")
    def _has_one_subject(self) -> Self:
        given = [self.url, self.path, self.key, self.upload]
        if given.count(None) != len(given) - 1:
            raise ValueError("give one of url, path, key and upload")
        if self.url is not None and self.before is not None:
            raise ValueError("before does not fit a single url")
        return self

    @property
    def field(self) -> str:
        """Return the name of the field that is given."""
        return next(
            name
            for name in ("url", "path", "key", "upload")
            if getattr(self, name) is not None
        )


@dataclass(frozen=True)
class RevocationsAPI:
    """Takes links back, shows what was taken back, and gives it back."""

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

    def make(self) -> tuple[Response, int]:
        """Revoke, durably: every worker knows when this answers.

        An admin may revoke everything, a member with the scope ``share`` the
        links of own uploads.
        """
        identity = self.identities.current()
        if not identity.is_admin:
            identity.require(Scope.SHARE)
        requested = json_bodies.read(CreateRevocationRequest)
        try:
            new = self._revocation(identity, requested, now=int(self.clock()))
            with self.database.write(may_use_reserve=True, alone=False) as connection:
                made = revocations.revoke(connection, new)
        except RevocationError as error:
            raise BadFieldsError({requested.field: str(error)}) from None
        return jsonify(vars(made)), 201

    def listing(self) -> Response:
        """Return revocations in the order of their subjects; ``?after=`` goes on."""
        self._require_admin(self.identities.current())
        after = request.args.get("after", "")
        if _NUL in after:
            raise BadFieldsError({"after": "is no subject"})
        with self.database.read() as connection:
            page = revocations.listing(connection, limit=_PAGE, after=after)
        return jsonify({"revocations": [vars(found) for found in page]})

    def undo(self, subject: str) -> Response:
        """Let the links of a subject be good again."""
        self._require_admin(self.identities.current())
        if _NUL in subject:
            raise NotServableError("no-revocation")
        try:
            with self.database.write(alone=False) as connection:
                revocations.undo(connection, subject)
        except RevocationError:
            raise NotServableError("no-revocation") from None
        return Response(status=204)

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
