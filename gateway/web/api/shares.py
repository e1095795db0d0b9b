"""``/api/v1/shares``: a member's shares, for programs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, request

from gateway.catalog import audit, shares
from gateway.catalog.shares import Key
from gateway.catalog.tokens import Scope
from gateway.errors import (
    BadFieldsError,
    IdempotencyKeyError,
    NoSpaceError,
    NothingTakenError,
    NotServableError,
)
from gateway.shares import addresses
from gateway.shares.description import ShareDescription, gather
from gateway.shares.policy import LIFE, SharePolicy, hash_password
from gateway.web.api import json_bodies, pagination
from gateway.web.api.operations import Content, Header, Operation, answer
from gateway.web.api.schemas import (
    AddRecipientsRequest,
    CreateShareRequest,
    EditShareRequest,
    HistoryEntry,
    HistoryPage,
    SharePage,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.catalog.shares import NewItem, Share
    from gateway.web.auth.identity import Identity
    from gateway.web.owned_shares import Shares

#: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
_KEY: Final = re.compile(r"[!-~]{1,255}", re.ASCII)
_KEY_HEADER: Final = Header(
    "Idempotency-Key",
    "A unique key for this share: the client can then safely repeat the request.",
    {"type": "string", "pattern": f"^{_KEY.pattern}$"},
)
_DESCRIBED: Final = {200: (ShareDescription,)}


@dataclass(frozen=True)
class SharesAPI:
    """The views of shares."""

    shares: Shares
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("api_shares", __name__, url_prefix="/api/v1/shares")
        for rule, view, method in (
            ("", self.listing, "GET"),
            ("", self.make, "POST"),
            ("/<share_id>", self.get, "GET"),
            ("/<share_id>", self.edit, "PATCH"),
            ("/<share_id>", self.revoke, "DELETE"),
            ("/<share_id>/history", self.history, "GET"),
            ("/<share_id>/sent.csv", self.table, "GET"),
            ("/<share_id>/recipients", self.add_recipients, "POST"),
            ("/<share_id>/recipients/<recipient_id>", self.revoke_recipient, "DELETE"),
            ("/<share_id>/recipients/<recipient_id>/mail", self.resend, "POST"),
            (
                "/<share_id>/recipients/<recipient_id>/give-back",
                self.give_back,
                "POST",
            ),
        ):
            routes.add_url_rule(rule, view_func=view, methods=[method])
        return routes

    @Operation(
        id="listShares",
        query=pagination.OwnedQuery,
        returns={200: (SharePage,)},
        refusals=[NotServableError],
    )
    def listing(self) -> SharePage:
        """List shares, the newest first."""
        identity = self._sharer()
        query = pagination.read(pagination.OwnedQuery)
        with self.shares.database.read() as connection:
            owner = pagination.chosen_owner(connection, identity, query.owner)
            rows = shares.newest(connection, owner, limit=query.rows, after=query.after)
            page, following = pagination.newest(rows, query)
            gathered = gather(connection, page)
        now = int(self.clock())
        return SharePage(
            shares=[self.shares.descriptions.of(each, now=now) for each in gathered],
            next=following,
        )

    @Operation(id="getShare", returns=_DESCRIBED)
    def get(self, share_id: str) -> ShareDescription:
        """Describe a share with its recipients."""
        return self._describe(self.shares.owned(self._sharer(), share_id))

    @Operation(
        id="createShare",
        body=CreateShareRequest,
        headers=[_KEY_HEADER],
        returns={201: (ShareDescription,), 200: (ShareDescription,)},
        refusals=[IdempotencyKeyError, NoSpaceError],
    )
    def make(self) -> Response:
        """Create a share, and mail its links to the addresses in `to`.

        If the `Idempotency-Key` was used before, the first share is returned, with 200.
        """
        identity = self._sharer()
        key = _key()
        requested = json_bodies.read(CreateShareRequest)
        # The share's items may have been deleted since, and it may have expired.
        earlier = key and self.shares.changes.by_key(identity.user, key)
        if earlier:
            return answer(self._describe(earlier), HTTPStatus.OK)
        now = int(self.clock())
        share, is_new = self.shares.changes.make(
            identity.user,
            _changed(SharePolicy(expires=now + LIFE), requested, now=now),
            self._items(identity, requested),
            addresses.parse(requested.to, label=requested.label),
            now=now,
            key=key,
        )
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return answer(self._describe(share), status)

    @Operation(
        id="editShare",
        body=EditShareRequest,
        returns=_DESCRIBED,
        refusals=[NoSpaceError],
    )
    def edit(self, share_id: str) -> ShareDescription:
        """Change the fields of a share that are in the request.

        The links and the recipients stay the same.
        """
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        requested = json_bodies.read(EditShareRequest)
        items = None
        if "items" in requested.model_fields_set:
            items = self._items(identity, requested)
        now = int(self.clock())
        changed = self.shares.changes.edit(
            identity.user,
            share,
            _changed(SharePolicy.of(share), requested, now=now),
            items=items,
            now=now,
        )
        return self._describe(changed)

    @Operation(id="revokeShare", returns={204: ()})
    def revoke(self, share_id: str) -> None:
        """Revoke a share with all its links."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        self.shares.changes.revoke(identity.user, share, now=int(self.clock()))

    @Operation(
        id="addRecipients",
        body=AddRecipientsRequest,
        returns={201: (ShareDescription,)},
        refusals=[NoSpaceError],
    )
    def add_recipients(self, share_id: str) -> ShareDescription:
        """Add recipients to a share, and mail their links."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        requested = json_bodies.read(AddRecipientsRequest)
        to = addresses.parse(requested.to, label=requested.label)
        self.shares.changes.add_recipients(
            identity.user, share, to, now=int(self.clock())
        )
        return self._describe(share)

    @Operation(id="revokeRecipient", returns={204: ()})
    def revoke_recipient(self, share_id: str, recipient_id: str) -> None:
        """Revoke one link of a share."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        self.shares.changes.revoke_recipient(
            identity.user, recipient, now=int(self.clock())
        )

    @Operation(
        id="mailRecipient",
        returns=_DESCRIBED,
        # More mails than a user may send in a day.
        refusals=[BadFieldsError, NoSpaceError],
    )
    def resend(self, share_id: str, recipient_id: str) -> ShareDescription:
        """Mail a link of a share again, unless its mail is still being sent."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        self.shares.changes.resend(
            identity.user, share, [recipient], now=int(self.clock())
        )
        return self._describe(share)

    @Operation(
        id="giveBack",
        returns=_DESCRIBED,
        refusals=[NothingTakenError, NoSpaceError],
    )
    def give_back(self, share_id: str, recipient_id: str) -> ShareDescription:
        """Give a download back: the link can be downloaded once more."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        self.shares.changes.give_back(identity.user, recipient, now=int(self.clock()))
        return self._describe(share)

    @Operation(
        id="listShareHistory",
        query=pagination.HistoryQuery,
        returns={200: (HistoryPage,)},
    )
    def history(self, share_id: str) -> HistoryPage:
        """List the history of a share, newest first."""
        share = self.shares.owned(self._sharer(), share_id)
        query = pagination.read(pagination.HistoryQuery)
        with self.shares.database.read() as connection:
            rows = audit.of_share(
                connection, share.id, limit=query.rows, before=query.after
            )
        page, following = pagination.cut(rows, query, lambda last: str(last.id))
        return HistoryPage(
            history=[HistoryEntry.model_validate(each) for each in page],
            next=following,
        )

    @Operation(
        id="getSentTable", returns={200: (Content("text/csv", {"type": "string"}),)}
    )
    def table(self, share_id: str) -> Response:
        """Return the deliveries of a share as a table (CSV).

        It has a line for each file of each download. The first line has the names of
        the columns; times are UTC.
        """
        return self.shares.table(self.shares.owned(self._sharer(), share_id))

    def _sharer(self) -> Identity:
        identity = self.shares.identities.current()
        identity.require(Scope.SHARE)
        return identity

    def _items(self, identity: Identity, requested: EditShareRequest) -> list[NewItem]:
        return [
            self.shares.item(identity, upload=item.upload, path=item.path)
            for item in requested.items
        ]

    def _describe(self, share: Share) -> ShareDescription:
        with self.shares.database.read() as connection:
            (gathered,) = gather(connection, [share])
        return self.shares.descriptions.of(gathered, now=int(self.clock()))


def _changed(
    policy: SharePolicy, requested: EditShareRequest, *, now: int
) -> SharePolicy:
    """Return *policy* with the fields that the request sets."""
    fields = requested.model_fields_set
    values: dict[str, Any] = {
        name: getattr(requested, name)
        for name in ("title", "message", "lang", "not_before")
        if name in fields
    }
    if requested.expires is not None and requested.expires_in is not None:
        raise BadFieldsError({"expires": "give either expires or expires_in"})
    if requested.expires is not None:
        values["expires"] = requested.expires or None
    if requested.expires_in is not None:
        values["expires"] = now + requested.expires_in
    if "max" in fields:
        values["max_downloads"] = requested.max or None
    if "password" in fields:
        values["password_hash"] = (
            hash_password(requested.password) if requested.password else None
        )
    if "otp" in fields:
        values["has_otp"] = requested.otp
    return replace(policy, **values)


def _key() -> Key | None:
    """Return the request's Idempotency-Key, with a digest of the body."""
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        raise BadFieldsError(
            {"Idempotency-Key": "must be 1 to 255 visible ASCII characters"}
        )
    return Key(text, hashlib.sha256(request.get_data()).digest())
