"""``/shares``: a person's shares, the form for a new one, and a page for each."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import segno
from flask import Blueprint, flash, request, url_for
from markupsafe import Markup

from gateway.catalog import audit, ids, shares
from gateway.catalog.tokens import Scope
from gateway.errors import BadFieldsError, NotAuthenticatedError
from gateway.shares import addresses
from gateway.shares.description import gather, recipient_state
from gateway.shares.policy import LIFE, SharePolicy, hash_password
from gateway.web.pages import page, see_other
from gateway.web.pagination import chosen_owner, cursor, following

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.catalog.shares import NewItem, Share
    from gateway.shares.description import DescribedShare
    from gateway.web.identity import Identity
    from gateway.web.shares import Shares

PATH: Final = "/shares"
_PAGE: Final = 50
_HISTORY: Final = 100
_DAY: Final = 86_400
#: What the form offers, in days; nothing is until it is ended.
LIVES: Final = {"1": 1, "7": 7, "14": 14, "30": 30, "365": 365, "": None}
_DEFAULT_LIFE: Final = "14"
#: The choice that leaves the end as it is.
_SAME: Final = "same"
_BETWEEN: Final = re.compile(r"[,;\s]+")


@dataclass(frozen=True)
class SharePages:
    """The pages of a person's shares."""

    shares: Shares
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("shares", __name__, url_prefix=PATH)
        for rule, view, method in (
            ("", self.listing, "GET"),
            ("", self.make, "POST"),
            ("/new", self.new, "GET"),
            ("/<share_id>", self.show, "GET"),
            ("/<share_id>", self.edit, "POST"),
            ("/<share_id>/revoke", self.revoke, "POST"),
            ("/<share_id>/recipients", self.add_recipients, "POST"),
            (
                "/<share_id>/recipients/<recipient_id>/revoke",
                self.revoke_recipient,
                "POST",
            ),
        ):
            routes.add_url_rule(rule, view_func=view, methods=[method])
        return routes

    def listing(self) -> Response:
        """Show shares, newest first; ``pagination`` says which can be chosen."""
        person = self._person()
        if person is None:
            return see_other(f"/login?next={PATH}")
        after = cursor(ids.is_id)
        with self.shares.database.read() as connection:
            found = shares.newest(
                connection,
                chosen_owner(connection, person),
                limit=_PAGE + 1,
                after=after,
            )
            shown = gather(connection, found[:_PAGE])
        return page(
            "shares.html",
            user=person.user,
            shares=[self._facts(each) for each in shown],
            older=following(shown[-1].share) if len(found) > _PAGE else None,
            is_first=after is None,
        )

    def new(self) -> Response:
        """Show the form for a share of the uploads in ``?upload=``."""
        person = self._person()
        if person is None:
            uploads = "".join(f"%3Fupload={u}" for u in request.args.getlist("upload"))
            return see_other(f"/login?next={PATH}/new{uploads}")
        person.require(Scope.SHARE)
        return self._form(person)

    def make(self) -> Response:
        """Make a share, or show the form once more with what is wrong."""
        person = self._sharer()
        now = int(self.clock())
        faults: dict[str, str] = {}
        try:
            policy = _policy(SharePolicy(expires=now + LIFE), now=now)
        except BadFieldsError as error:
            policy, faults = SharePolicy(), dict(error.faults)
        try:
            to = _recipients()
            items = self._items(person)
            if not faults:
                made, _ = self.shares.changes.make(
                    person.user, policy, items, to, now=now
                )
                return see_other(url_for("shares.show", share_id=made.id))
        except BadFieldsError as error:
            faults |= error.faults
        return self._form(person, faults=faults)

    def show(self, share_id: str) -> Response:
        """Show a share with its links."""
        person = self._person()
        if person is None:
            return see_other(f"/login?next={PATH}/{share_id}")
        return self._share(person, self.shares.owned(person, share_id))

    def edit(self, share_id: str) -> Response:
        """Change a share under the same links."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        now = int(self.clock())
        try:
            self.shares.changes.edit(
                person.user, share, _policy(SharePolicy.of(share), now=now), now=now
            )
        except BadFieldsError as error:
            return self._share(person, share, faults=error.faults)
        flash("The changes are saved. The links stay the same.")
        return see_other(url_for("shares.show", share_id=share.id))

    def revoke(self, share_id: str) -> Response:
        """End a share with all its links."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        self.shares.changes.revoke(person.user, share, now=int(self.clock()))
        flash("The share is ended. Its links open nothing any more.")
        return see_other(url_for("shares.show", share_id=share.id))

    def add_recipients(self, share_id: str) -> Response:
        """Give a share more links."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        try:
            added = self.shares.changes.add_recipients(
                person.user, share, _recipients(), now=int(self.clock())
            )
        except BadFieldsError as error:
            return self._share(person, share, faults=error.faults)
        flash(
            "A link is added." if len(added) == 1 else f"{len(added)} links are added."
        )
        return see_other(url_for("shares.show", share_id=share.id))

    def revoke_recipient(self, share_id: str, recipient_id: str) -> Response:
        """End one link of a share."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        self.shares.changes.revoke_recipient(
            person.user, recipient, now=int(self.clock())
        )
        flash("The link is ended. It opens nothing any more.")
        return see_other(url_for("shares.show", share_id=share.id))

    def _person(self) -> Identity | None:
        try:
            return self.shares.identities.person()
        except NotAuthenticatedError:
            return None

    def _sharer(self) -> Identity:
        person = self.shares.identities.current()
        person.require(Scope.SHARE)
        return person

    def _items(self, person: Identity) -> list[NewItem]:
        paths = request.form.get("paths", "").splitlines()
        return [
            *(
                self.shares.item(person, upload=upload, path=None)
                for upload in request.form.getlist("upload")
            ),
            *(
                self.shares.item(person, upload=None, path=path.strip())
                for path in paths
                if path.strip()
            ),
        ]

    def _form(
        self, person: Identity, *, faults: dict[str, str] | None = None
    ) -> Response:
        """Show the form of a new share, with what was sent if there are *faults*."""
        chosen = request.values.getlist("upload")
        items = []
        for upload in chosen:
            try:
                items.append(self.shares.item(person, upload=upload, path=None))
            except BadFieldsError as error:
                faults = {**error.faults, **(faults or {})}
        return page(
            "share_new.html",
            status=400 if faults else 200,
            user=person.user,
            items=items,
            faults=faults or {},
            said=request.form,
            lives=LIVES,
            life=request.form.get("life", _DEFAULT_LIFE),
            is_admin=person.is_admin,
        )

    def _share(
        self, person: Identity, share: Share, *, faults: dict[str, str] | None = None
    ) -> Response:
        with self.shares.database.read() as connection:
            (found,) = gather(connection, [share])
            history = audit.of_share(connection, share.id, limit=_HISTORY)
        return page(
            "share_made.html",
            status=400 if faults else 200,
            user=person.user,
            share=self._facts(found),
            files=self.shares.items.listed(found.items),
            history=[
                {"at": _moment(each.at), "actor": each.actor, "action": each.action}
                for each in history
            ],
            faults=faults or {},
            lives=LIVES,
            same=_SAME,
        )

    def _facts(self, found: DescribedShare) -> dict[str, Any]:
        now = int(self.clock())
        share = found.share
        return {
            "id": share.id,
            "title": share.title,
            "name": found.name,
            "message": share.message,
            "state": share.state(now=now),
            "created": _moment(share.created),
            "expires": share.expires and _moment(share.expires),
            "has_password": share.password_hash is not None,
            "recipients": [
                {
                    "id": each.id,
                    "address": each.address,
                    "label": each.label,
                    "url": self.shares.descriptions.url(each),
                    "qr": _qr(self.shares.descriptions.url(each)),
                    "state": recipient_state(share, each, now=now),
                    "opened": each.opened and _moment(each.opened),
                }
                for each in found.recipients
            ],
        }


def _policy(policy: SharePolicy, *, now: int) -> SharePolicy:
    """Return *policy* with what the form says; raise BadFieldsError."""
    fields = request.form
    values: dict[str, Any] = {
        name: fields[name] for name in ("title", "message") if name in fields
    }
    life = fields.get("life", _SAME)
    if life != _SAME:
        if life not in LIVES:
            raise BadFieldsError(
                {"expires": "choose one of the times that are offered"}
            )
        days = LIVES[life]
        values["expires"] = None if days is None else now + days * _DAY
    if fields.get("password"):
        values["password_hash"] = hash_password(fields["password"])
    elif fields.get("no_password"):
        values["password_hash"] = None
    return replace(policy, **values)


def _recipients() -> list[Any]:
    found = filter(None, _BETWEEN.split(request.form.get("to", "")))
    return addresses.parse(found, label=request.form.get("label", ""))


def _qr(url: str) -> Markup:
    """Return a QR code as inline SVG, in the colours of the page."""
    code = segno.make_qr(url, error="m")
    # Markup: made of the code's modules alone.
    return Markup(code.svg_inline(scale=4, border=2, dark="#000", light="#fff"))  # noqa: S704


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
