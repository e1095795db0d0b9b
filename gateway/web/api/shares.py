"""``/api/v1/shares``: a member's shares, for programs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final

from flask import Blueprint, Response, jsonify, request
from pydantic import Field

from gateway.catalog import ids, shares
from gateway.catalog.shares import Key
from gateway.catalog.tokens import Scope
from gateway.errors import BadFieldsError
from gateway.shares import addresses
from gateway.shares.description import gather
from gateway.shares.policy import LIFE, SharePolicy, hash_password
from gateway.web.api import json_bodies
from gateway.web.api.pagination import chosen_owner, cursor, following

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.shares import NewItem, Share
    from gateway.web.auth.identity import Identity
    from gateway.web.owned_shares import Shares

_PAGE: Final = 100
#: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
_KEY: Final = re.compile(r"[!-~]{1,255}", re.ASCII)


class SharedItem(json_bodies.Body):
    """An upload by its id, or a file or folder of the tree by its path."""

    upload: str | None = None
    path: str | None = None


class ShareFields(json_bodies.Body):
    """What of a share can be said: all of it when it is made, some when changed.

    ``expires`` may be ``never``, and null says nothing; ``max`` counts the downloads of
    each link, 0 or null is no limit; an empty ``password`` is none; with ``otp`` each
    lease needs a one-time code, which is mailed to the recipient.
    """

    title: str = ""
    message: str = ""
    lang: str = ""
    max: int | None = None
    password: str = Field(default="", repr=False)
    otp: bool = False
    not_before: json_bodies.Moment | None = None
    expires: json_bodies.End | None = None
    expires_in: Annotated[int, Field(ge=1)] | None = None
    items: list[SharedItem] = Field(default=[])


class CreateShareRequest(ShareFields):
    """A new share; without addresses in ``to`` it has one link, to be copied."""

    to: list[str] = Field(default=[])
    label: str = ""


class AddRecipientsRequest(json_bodies.Body):
    """More recipients of a share."""

    to: list[str] = Field(default=[])
    label: str = ""


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
            ("/<share_id>", self.one, "GET"),
            ("/<share_id>", self.edit, "PATCH"),
            ("/<share_id>", self.revoke, "DELETE"),
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

    def listing(self) -> Response:
        """Return shares, newest first; ``pagination`` says which can be chosen."""
        identity = self._sharer()
        after = cursor(ids.is_id)
        with self.shares.database.read() as connection:
            page = shares.newest(
                connection,
                chosen_owner(connection, identity),
                limit=_PAGE,
                after=after,
            )
            found = gather(connection, page)
        more = None
        if len(page) == _PAGE:
            more = following(page[-1])
        now = int(self.clock())
        rows = [self.shares.descriptions.facts(each, now=now) for each in found]
        return jsonify({"shares": rows, "next": more})

    def one(self, share_id: str) -> Response:
        """Return one share."""
        return self._described(self.shares.owned(self._sharer(), share_id))

    def make(self) -> tuple[Response, int]:
        """Make a share; the same Idempotency-Key makes none twice."""
        identity = self._sharer()
        key = _key()
        asked = json_bodies.read(CreateShareRequest)
        # What it opens may be deleted since, and its end may have passed.
        earlier = key and self.shares.changes.by_key(identity.user, key)
        if earlier:
            return self._described(earlier), 200
        now = int(self.clock())
        share, is_new = self.shares.changes.make(
            identity.user,
            _changed(SharePolicy(expires=now + LIFE), asked, now=now),
            self._items(identity, asked),
            addresses.parse(asked.to, label=asked.label),
            now=now,
            key=key,
        )
        return self._described(share), 201 if is_new else 200

    def edit(self, share_id: str) -> Response:
        """Change what the request names; links and recipients stay."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        asked = json_bodies.read(ShareFields)
        now = int(self.clock())
        items = (
            self._items(identity, asked) if "items" in asked.model_fields_set else None
        )
        changed = self.shares.changes.edit(
            identity.user,
            share,
            _changed(SharePolicy.of(share), asked, now=now),
            items=items,
            now=now,
        )
        return self._described(changed)

    def revoke(self, share_id: str) -> Response:
        """End a share with all its links."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        self.shares.changes.revoke(identity.user, share, now=int(self.clock()))
        return Response(status=204)

    def add_recipients(self, share_id: str) -> tuple[Response, int]:
        """Give a share more links."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        asked = json_bodies.read(AddRecipientsRequest)
        to = addresses.parse(asked.to, label=asked.label)
        self.shares.changes.add_recipients(
            identity.user, share, to, now=int(self.clock())
        )
        return self._described(share), 201

    def revoke_recipient(self, share_id: str, recipient_id: str) -> Response:
        """End one link of a share."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        self.shares.changes.revoke_recipient(
            identity.user, recipient, now=int(self.clock())
        )
        return Response(status=204)

    def resend(self, share_id: str, recipient_id: str) -> Response:
        """Send one link again, unless its mail is on its way already."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        self.shares.changes.resend(
            identity.user, share, [recipient], now=int(self.clock())
        )
        return self._described(share)

    def give_back(self, share_id: str, recipient_id: str) -> Response:
        """Let one link be downloaded once more."""
        identity = self._sharer()
        share = self.shares.owned(identity, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        self.shares.changes.give_back(identity.user, recipient, now=int(self.clock()))
        return self._described(share)

    def _sharer(self) -> Identity:
        identity = self.shares.identities.current()
        identity.require(Scope.SHARE)
        return identity

    def _items(self, identity: Identity, asked: ShareFields) -> list[NewItem]:
        return [
            self.shares.item(identity, upload=item.upload, path=item.path)
            for item in asked.items
        ]

    def _described(self, share: Share) -> Response:
        with self.shares.database.read() as connection:
            (found,) = gather(connection, [share])
        return jsonify(self.shares.descriptions.facts(found, now=int(self.clock())))


def _changed(policy: SharePolicy, asked: ShareFields, *, now: int) -> SharePolicy:
    """Return *policy* with what a request says of it."""
    said = asked.model_fields_set
    values: dict[str, Any] = {
        name: getattr(asked, name)
        for name in ("title", "message", "lang", "not_before")
        if name in said
    }
    if asked.expires is not None and asked.expires_in is not None:
        raise BadFieldsError({"expires": "give either expires or expires_in"})
    if asked.expires is not None:
        values["expires"] = asked.expires or None
    if asked.expires_in is not None:
        values["expires"] = now + asked.expires_in
    if "max" in said:
        values["max_downloads"] = asked.max or None
    if "password" in said:
        values["password_hash"] = (
            hash_password(asked.password) if asked.password else None
        )
    if "otp" in said:
        values["has_otp"] = asked.otp
    return replace(policy, **values)


def _key() -> Key | None:
    """Return the request's Idempotency-Key, with a digest of what it asks for."""
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        raise BadFieldsError(
            {"Idempotency-Key": "must be 1 to 255 visible characters of ASCII"}
        )
    return Key(text, hashlib.sha256(request.get_data()).digest())
