"""``/drops``: a user's drop links, and the form for a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, flash, request, url_for

from gateway.catalog import drops
from gateway.catalog.drops import State
from gateway.catalog.tokens import Scope
from gateway.errors import DropPolicyError, NotAuthenticatedError
from gateway.uploads.drop_policy import DropPolicy
from gateway.web.api import pagination
from gateway.web.api.pagination import OwnedQuery, listed
from gateway.web.pages import page, see_login, see_other
from gateway.web.pages.drop_policy import TYPE_LABELS, sentences

if TYPE_CHECKING:
    from flask import Response

    from gateway.catalog.drops import Drop
    from gateway.web.auth.identity import Identity
    from gateway.web.owned_drops import Drops

PATH: Final = "/drops"
_PAGE: Final = 50
_DAY: Final = 86_400
_MEBIBYTE: Final = 2**20
#: The lifetimes that the form offers, in days; the empty value is no expiry.
_LIFETIMES: Final = {"1": 1, "7": 7, "30": 30, "365": 365, "": None}
_MAXIMUM_DIGITS: Final = 15
_STATE_LABELS: Final = {
    State.OPEN: "open",
    State.FULL: "full",
    State.EXPIRED: "expired",
    State.REVOKED: "revoked",
}
_MESSAGES: Final = {
    "title": "The title is too long.",
    "max_uploads": "Maximum number of files: enter a whole number, or leave it empty.",
    "max_size": "Maximum size: enter a whole number of MiB, or leave it empty.",
    "types": "Choose only file types from the list.",
    "expires": "Choose an expiry from the list.",
}


@dataclass(frozen=True)
class DropForms:
    """The page of a user's drop links."""

    drops: Drops

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("drop_forms", __name__, url_prefix=PATH)
        routes.add_url_rule("", view_func=self.show)
        routes.add_url_rule("", view_func=self.create, methods=["POST"])
        routes.add_url_rule("/revoke", view_func=self.revoke, methods=["POST"])
        return routes

    def show(self) -> Response:
        """Show the drop links, newest first; ``?after=`` is the cursor of a page."""
        try:
            person = self.drops.identities.person()
        except NotAuthenticatedError:
            return see_login(url_for("drop_forms.show"))
        return self._page(person)

    def create(self) -> Response:
        """Create a drop link, or show the form again with error messages."""
        person = self.drops.identities.current()
        person.require(Scope.SHARE)
        try:
            policy = _policy(now=int(self.drops.clock()))
        except DropPolicyError as error:
            messages = [_MESSAGES[field] for field in error.faults]
            return self._page(person, status=400, faults=messages)
        self.drops.new(person, policy)
        flash("The drop link was created. Copy it and send it to others.")
        return see_other(url_for("drop_forms.show"))

    def revoke(self) -> Response:
        """Revoke a drop link."""
        person = self.drops.identities.current()
        drop = self.drops.end(person, request.form.get("id", ""))
        flash(f"{drop.title or 'The drop link'} was revoked.")
        return see_other(url_for("drop_forms.show"))

    def _page(self, person: Identity, *, status: int = 200, **context: Any) -> Response:  # noqa: ANN401
        query = pagination.read(OwnedQuery, limit=_PAGE)
        with self.drops.database.read() as connection:
            found = drops.newest(
                connection, person.user, limit=query.rows, after=query.after
            )
        shown, older = pagination.newest(found, query)
        return page(
            "drops.html",
            status=status,
            user=person.user,
            drops=[self._row(drop) for drop in shown],
            older=older,
            is_first=query.after is None,
            listed=listed,
            qr=request.args.get("qr", ""),
            type_labels=TYPE_LABELS,
            lifetimes=_LIFETIMES,
            fields=request.form,
            chosen_types=request.form.getlist("type"),
            **context,
        )

    def _row(self, drop: Drop) -> dict[str, object]:
        state = drop.state(now=int(self.drops.clock()))
        return {
            "id": drop.id,
            "title": drop.title,
            "url": self.drops.url(drop),
            "state": state,
            "label": _STATE_LABELS[state],
            "taken": drop.taken,
            "limits": sentences(drop),
            "expires": drop.expires,
            "max_size": drop.max_size,
        }


def _policy(*, now: int) -> DropPolicy:
    """Return the policy in the form; raise DropPolicyError with all faults."""
    fields, faults = request.form, {}
    numbers: dict[str, int | None] = {}
    for name in ("max_uploads", "max_size"):
        text = fields.get(name, "").strip()
        is_number = text.isascii() and text.isdigit() and len(text) <= _MAXIMUM_DIGITS
        numbers[name] = int(text) if is_number else None
        if text and not is_number:
            faults[name] = "must be a whole number"
    days = _LIFETIMES.get(fields.get("life", "7"), 0)
    size = numbers["max_size"]
    try:
        policy = DropPolicy.of(
            title=fields.get("title", ""),
            max_uploads=numbers["max_uploads"],
            max_size=None if size is None else size * _MEBIBYTE,
            types=fields.getlist("type"),
            expires=None if days is None else now + days * _DAY,
            now=now,
        )
    except DropPolicyError as error:
        raise DropPolicyError({**error.faults, **faults}) from None
    if faults:
        raise DropPolicyError(faults)
    return policy
