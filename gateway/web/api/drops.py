"""``/api/v1/drops``: a member's drop links, for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint

from gateway.catalog import drops, users
from gateway.catalog.tokens import Scope
from gateway.errors import (
    BadFieldsError,
    DropPolicyError,
    NoSpaceError,
    NotServableError,
)
from gateway.uploads.description import DropDescription
from gateway.uploads.drop_policy import DropPolicy
from gateway.web.api import json_bodies, pagination
from gateway.web.api.operations import Operation
from gateway.web.api.schemas import CreateDropRequest, DropPage

if TYPE_CHECKING:
    from gateway.web.owned_drops import Drops


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

    @Operation(
        id="createDrop",
        body=CreateDropRequest,
        returns={201: (DropDescription,)},
        refusals=[NoSpaceError],
    )
    def make(self) -> DropDescription:
        """Create a drop link."""
        identity = self.drops.identities.current()
        identity.require(Scope.SHARE)
        requested = json_bodies.read(CreateDropRequest)
        now = int(self.drops.clock())
        try:
            policy = DropPolicy.of(
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
        drop = self.drops.new(identity, policy)
        return self.drops.describe(drop, identity.user.name)

    @Operation(
        id="listDrops",
        query=pagination.OwnedQuery,
        returns={200: (DropPage,)},
        refusals=[NotServableError],
    )
    def listing(self) -> DropPage:
        """List drop links, the newest first."""
        identity = self.drops.identities.current()
        identity.require(Scope.SHARE)
        query = pagination.read(pagination.OwnedQuery)
        with self.drops.database.read() as connection:
            owner = pagination.chosen_owner(connection, identity, query.owner)
            rows = drops.newest(connection, owner, limit=query.rows, after=query.after)
            page, following = pagination.newest(rows, query)
            names = users.names(connection, {drop.owner_id for drop in page})
        return DropPage(
            drops=[self.drops.describe(drop, names[drop.owner_id]) for drop in page],
            next=following,
        )

    @Operation(id="revokeDrop", returns={204: ()})
    def end(self, drop_id: str) -> None:
        """Revoke a drop link; the files uploaded to it are kept."""
        self.drops.end(self.drops.identities.current(), drop_id)
