"""``/api/v1/drops``: a member's drop links, for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, jsonify
from pydantic import Field

from gateway.catalog import drops, ids, users
from gateway.catalog.tokens import Scope
from gateway.errors import BadFieldsError, DropPolicyError
from gateway.uploads.drop_policy import DropPolicy
from gateway.web.api import json_bodies
from gateway.web.api.pagination import chosen_owner, cursor, following

if TYPE_CHECKING:
    from gateway.catalog.drops import Drop
    from gateway.web.owned_drops import Drops

_PAGE: Final = 100


class CreateDropRequest(json_bodies.Lasting):
    """What a drop link is to take; ``max_size`` and ``max_total`` are in bytes."""

    title: str = ""
    max_uploads: int | None = None
    max_size: int | None = None
    max_total: int | None = None
    types: list[str] = Field(default=[])


@dataclass(frozen=True)
class DropsAPI:
    """The views of drop links."""

    drops: Drops

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("api_drops", __name__, url_prefix="/api/v1/drops")
        routes.add_url_rule("", view_func=self.listing)
        routes.add_url_rule("", view_func=self.make, methods=["POST"])
        routes.add_url_rule("/<drop_id>", view_func=self.end, methods=["DELETE"])
        return routes

    def make(self) -> tuple[Response, int]:
        """Return a new drop link."""
        identity = self.drops.identities.current()
        identity.require(Scope.SHARE)
        requested = json_bodies.read(CreateDropRequest)
        now = int(self.drops.clock())
        try:
            terms = DropPolicy.of(
                title=requested.title,
                max_uploads=requested.max_uploads,
                max_size=requested.max_size,
                max_total=requested.max_total,
                types=requested.types,
                expires=requested.end(now=now),
                now=now,
            )
        except DropPolicyError as error:
            raise BadFieldsError(error.faults) from None
        drop = self.drops.new(identity, terms)
        return jsonify(self._described(drop, identity.user.name)), 201

    def listing(self) -> Response:
        """Return some drop links, newest first, and where more are.

        The caller's own, or an admin's choice with ``?owner=``.
        """
        identity = self.drops.identities.current()
        identity.require(Scope.SHARE)
        with self.drops.database.read() as connection:
            page = drops.newest(
                connection,
                chosen_owner(connection, identity),
                limit=_PAGE,
                after=cursor(ids.is_id),
            )
            names = users.names(connection, {drop.owner_id for drop in page})
        found = [self._described(drop, names[drop.owner_id]) for drop in page]
        more = following(page[-1]) if len(page) == _PAGE else None
        return jsonify({"drops": found, "next": more})

    def end(self, drop_id: str) -> Response:
        """Revoke a drop link; what has come by it stays."""
        self.drops.end(self.drops.identities.current(), drop_id)
        return Response(status=204)

    def _described(self, drop: Drop, owner: str) -> dict[str, object]:
        return {
            "id": drop.id,
            "owner": owner,
            "url": self.drops.url(drop),
            "title": drop.title,
            "state": drop.state(now=int(self.drops.clock())),
            "max_uploads": drop.max_uploads,
            "taken": drop.taken,
            "max_size": drop.max_size,
            "max_total": drop.max_total,
            "stored_bytes": drop.stored_bytes,
            "types": list(drop.types),
            "created": drop.created,
            "expires": drop.expires,
            "revoked": drop.revoked,
        }
