"""``/drops``: a person's drop links, and the form for a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, flash, request

from gateway.catalog import drops
from gateway.catalog.drops import State
from gateway.catalog.tokens import Scope
from gateway.errors import DropPolicyError, NotAuthenticatedError
from gateway.uploads.drop_policy import DropPolicy
from gateway.web.api import pagination
from gateway.web.api.pagination import OwnedQuery, listed
from gateway.web.pages import page, see_other
from gateway.web.pages.drop_policy import KINDS, in_words

if TYPE_CHECKING:
    from flask import Response

    from gateway.catalog.drops import Drop
    from gateway.web.api.drops import Drops
    from gateway.web.auth.identity import Identity

PATH: Final = "/drops"
_PAGE: Final = 50
_DAY: Final = 86_400
_MEBIBYTE: Final = 2**20
#: What the form offers, in days; nothing is until it is revoked.
_LIVES: Final = {"1": 1, "7": 7, "30": 30, "365": 365, "": None}
_MAXIMUM_DIGITS: Final = 15
_STATES: Final = {
    State.OPEN: "open",
    State.FULL: "full",
    State.EXPIRED: "expired",
    State.REVOKED: "ended",
}
_FAULTS: Final = {
    "title": "The title is too long.",
    "max_uploads": "The number of files must be a whole number, or be left empty.",
    "max_size": "The size of a file must be a whole number, or be left empty.",
    "types": "A kind of file is not known.",
    "expires": "Choose one of the times that are offered.",
}


@dataclass(frozen=True)
class DropForms:
    """The page of a person's drop links."""

    drops: Drops

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("drop_forms", __name__, url_prefix=PATH)
        routes.add_url_rule("", view_func=self.show)
        routes.add_url_rule("", view_func=self.make, methods=["POST"])
        routes.add_url_rule("/revoke", view_func=self.end, methods=["POST"])
        return routes

    def show(self) -> Response:
        """Show the drop links, newest first; ``?after=`` goes on."""
        try:
            person = self.drops.identities.person()
        except NotAuthenticatedError:
            return see_other(f"/login?next={PATH}")
        return self._page(person)

    def make(self) -> Response:
        """Make a drop link, or show the form once more with what is wrong."""
        person = self.drops.identities.current()
        person.require(Scope.SHARE)
        try:
            terms = _terms(now=int(self.drops.clock()))
        except DropPolicyError as error:
            said = [_FAULTS[field] for field in error.faults]
            return self._page(person, status=400, faults=said)
        self.drops.new(person, terms)
        flash("The link is made. Copy it and hand it on.")
        return see_other(PATH)

    def end(self) -> Response:
        """Revoke a drop link."""
        person = self.drops.identities.current()
        drop = self.drops.end(person, request.form.get("id", ""))
        flash(f"{drop.title or 'The drop link'} takes nothing more.")
        return see_other(PATH)

    def _page(self, person: Identity, *, status: int = 200, **facts: Any) -> Response:  # noqa: ANN401
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
            kinds=KINDS,
            lives=_LIVES,
            said=request.form,
            chosen=request.form.getlist("type"),
            **facts,
        )

    def _row(self, drop: Drop) -> dict[str, object]:
        state = drop.state(now=int(self.drops.clock()))
        return {
            "id": drop.id,
            "title": drop.title,
            "url": self.drops.url(drop),
            "state": state,
            "says": _STATES[state],
            "taken": drop.taken,
            "takes": in_words(drop),
            "expires": drop.expires,
            "max_size": drop.max_size,
        }


def _terms(*, now: int) -> DropPolicy:
    """Read the form; raise DropPolicyError with every fault at once."""
    fields, faults = request.form, {}
    numbers: dict[str, int | None] = {}
    for name in ("max_uploads", "max_size"):
        text = fields.get(name, "").strip()
        is_number = text.isascii() and text.isdigit() and len(text) <= _MAXIMUM_DIGITS
        numbers[name] = int(text) if is_number else None
        if text and not is_number:
            faults[name] = "must be a whole number"
    days = _LIVES.get(fields.get("life", "7"), 0)
    size = numbers["max_size"]
    try:
        terms = DropPolicy.of(
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
    return terms
