"""``/shares``: a person's shares, the form for a new one, and a page for each."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, flash, request, url_for

from gateway.catalog import audit, ids, leases, shares
from gateway.catalog.audit import Action
from gateway.catalog.outbox import MailState
from gateway.catalog.shares import State
from gateway.catalog.tokens import Scope
from gateway.delivery.disposition import content_disposition
from gateway.errors import BadFieldsError, NotAuthenticatedError, NothingTakenError
from gateway.shares import addresses, export
from gateway.shares.description import RecipientState, gather
from gateway.shares.items import LISTED
from gateway.shares.policy import LIFE, SharePolicy, hash_password
from gateway.web.pages import page, see_other
from gateway.web.pagination import chosen_owner, cursor, following, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from gateway.catalog.outbox import Mail
    from gateway.catalog.recipients import NewRecipient
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
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_STATES: Final = {
    State.OPEN: "open",
    State.EARLY: "not open yet",
    State.EXPIRED: "expired",
    State.REVOKED: "ended",
}
#: How far a recipient has come, and what was done with a share, in words of the page.
_REACHED: Final[dict[str, str]] = {
    RecipientState.UNOPENED: "not opened yet",
    RecipientState.OPENED: "opened",
    RecipientState.BEGUN: "download begun",
    RecipientState.PARTLY: "sent in part",
    RecipientState.WHOLE: "sent whole",
    RecipientState.OVER: "ended",
}
_DONE: Final[dict[str, str]] = {
    Action.CREATED: "made",
    Action.CHANGED: "changed",
    Action.RECIPIENT_ADDED: "links added",
    Action.RECIPIENT_REVOKED: "a link ended",
    Action.MAILED: "mailed",
    Action.REVOKED: "ended",
    Action.GIVEN_BACK: "a download given back",
}
#: What became of a mail, and where the relay's words say more.
_MAILS: Final = {
    MailState.WAITING: "mail not sent yet",
    MailState.SENDING: "mail is being sent",
    MailState.ACCEPTED: "mail sent",
    MailState.REFUSED: "mail refused",
    MailState.UNKNOWN: "mail perhaps sent",
    MailState.GIVEN_UP: "mail given up",
}
_EXPLAINED: Final = frozenset(_MAILS) - {MailState.SENDING, MailState.ACCEPTED}
#: What the page calls the fields of the API.
_FIELDS: Final = {
    "items": "Files",
    "title": "Title",
    "message": "Message",
    "to": "Mail addresses",
    "label": "Label",
    "not_before": "Begins",
    "expires": "Ends",
    "max": "Downloads of each link",
    "password": "Password",
    "lang": "Language",
}
_BETWEEN: Final = re.compile(r"[,;\n\r]+")
#: A name before an address, as mail programs give it.
_QUOTED: Final = re.compile(r'"[^"]*"')


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
            ("/<share_id>/sent.csv", self.table, "GET"),
            ("/<share_id>/revoke", self.revoke, "POST"),
            ("/<share_id>/recipients", self.add_recipients, "POST"),
            (
                "/<share_id>/recipients/<recipient_id>/revoke",
                self.revoke_recipient,
                "POST",
            ),
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
        """Show shares, newest first; ``pagination`` says which can be chosen."""
        person = self._person()
        if person is None:
            return see_other(f"/login?next={PATH}")
        after = cursor(ids.is_id)
        with self.shares.database.read() as connection:
            owner = chosen_owner(connection, person)
            found = shares.newest(connection, owner, limit=_PAGE + 1, after=after)
            shown = gather(connection, found[:_PAGE])
        return page(
            "shares.html",
            user=person.user,
            owner=owner,
            listed=listed,
            shares=[self._facts(each) for each in shown],
            older=following(shown[-1].share) if len(found) > _PAGE else None,
            is_first=after is None,
        )

    def new(self) -> Response:
        """Show the form for a share of the uploads in ``?upload=``."""
        person = self._person()
        if person is None:
            chosen = urlencode({"upload": request.args.getlist("upload")}, doseq=True)
            return see_other(f"/login?next={PATH}/new{quote(f'?{chosen}')}")
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

    def table(self, share_id: str) -> Response:
        """Return what was sent of a share, as a spreadsheet takes it."""
        person = self._person()
        if person is None:
            return see_other(f"/login?next={PATH}/{share_id}")
        share = self.shares.owned(person, share_id)

        def lines() -> Iterator[str]:
            with self.shares.database.read() as connection:
                yield from export.table(connection, share.id)

        response = Response(lines(), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = content_disposition(
            f"sent-{share.id}.csv", is_inline=False
        )
        return response

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
        flash(_added(len(added)))
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

    def resend(self, share_id: str, recipient_id: str) -> Response:
        """Send one link again."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        try:
            sent = self.shares.changes.resend(
                person.user, share, [recipient], now=int(self.clock())
            )
        except BadFieldsError as error:
            flash(f"Not sent: {error.faults['to']}.")
        else:
            flash("The mail goes out." if sent else "Its mail is on its way already.")
        return see_other(url_for("shares.show", share_id=share.id))

    def give_back(self, share_id: str, recipient_id: str) -> Response:
        """Let one link be downloaded once more."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        try:
            self.shares.changes.give_back(person.user, recipient, now=int(self.clock()))
        except NothingTakenError:
            flash("There is no download to give back.")
        else:
            flash("One download was given back.")
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
            faults=_in_words(faults or {}),
            said=request.form,
            lives=LIVES,
            life=request.form.get("life", _DEFAULT_LIFE),
            may_mail=self.shares.changes.may_mail(person.user),
            is_admin=person.is_admin,
        )

    def _share(
        self, person: Identity, share: Share, *, faults: dict[str, str] | None = None
    ) -> Response:
        with self.shares.database.read() as connection:
            (found,) = gather(connection, [share])
            history = audit.of_share(connection, share.id, limit=_HISTORY)
            running = leases.running(connection, share.id)
        return page(
            "share.html",
            status=400 if faults else 200,
            user=person.user,
            share=self._facts(found, running),
            most=LISTED,
            files=self.shares.items.listed(found.items),
            history=[
                {"at": each.at, "actor": each.actor, "action": _DONE[each.action]}
                for each in history
            ],
            qr=request.args.get("qr", ""),
            faults=_in_words(faults or {}),
            said=request.form if faults else {},
            lives=LIVES,
            same=_SAME,
            may_mail=self.shares.changes.may_mail(person.user),
        )

    def _facts(
        self, found: DescribedShare, running: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return what a page says; *running* are recipients who are downloading."""
        now = int(self.clock())
        share = found.share
        state = share.state(now=now)
        return {
            "id": share.id,
            "owner": found.owner,
            "title": share.title,
            "name": found.name,
            "message": share.message,
            "state": state,
            "says": _STATES[state],
            "not_before": share.not_before,
            "expires": share.expires,
            "revoked": share.revoked,
            "has_password": share.password_hash is not None,
            "max": share.max_downloads,
            "recipients": [
                {
                    "id": each.id,
                    "address": each.address,
                    "label": each.label,
                    "url": self.shares.descriptions.url(each),
                    "state": (reached := found.state(each, now=now)),
                    "reached": reached,
                    "says": _REACHED[reached],
                    "opened": each.opened,
                    "taken": each.taken - each.given_back,
                    "can_give_back": share.max_downloads is not None
                    and (each.given_back < each.taken or each.id in running),
                    "sent": each.sent,
                    "percent": found.percent(each),
                    "scanned": each.scanned,
                    **_mail(found.mails.get(each.id)),
                }
                for each in found.recipients
            ],
        }


def _added(count: int) -> str:
    """Return what is said when so many links were added."""
    if count == 0:
        return "No link is added: each of these addresses has one."
    return "A link is added." if count == 1 else f"{count} links are added."


def _mail(mail: Mail | None) -> dict[str, object]:
    """Return what became of a mail, in words, and whether another may be sent."""
    if mail is None:
        return {"mail": "not mailed", "is_mailed": False, "is_mail_over": True}
    words = f": {mail.words}" if mail.words and mail.state in _EXPLAINED else ""
    return {
        "mail": _MAILS[mail.state] + words,
        "is_mailed": True,
        "is_mail_over": mail.state.is_over,
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
    if "max" in fields:
        values["max_downloads"] = _limit(fields["max"].strip())
    if fields.get("password"):
        values["password_hash"] = hash_password(fields["password"])
    elif fields.get("no_password"):
        values["password_hash"] = None
    return replace(policy, **values)


def _limit(text: str) -> int | None:
    """Return the downloads that the form permits, None for any number."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadFieldsError({"max": "must be a whole number, or nothing"})
    return int(text) or None


def _recipients() -> list[NewRecipient]:
    """Return whom the form names: ``a@example.com b@example.com``, or as mail programs.

    These write ``Bob <bob@example.com>, "C, D" <c@example.com>``.
    """
    found: list[str] = []
    for part in _BETWEEN.split(_QUOTED.sub("", request.form.get("to", ""))):
        found += [part] if "<" in part else part.split()
    return addresses.parse(found, label=request.form.get("label", ""))


def _in_words(faults: dict[str, str]) -> dict[str, str]:
    """Return what is wrong with fields, with the names that the page has for them."""
    return {
        field: f"{_FIELDS.get(field, field)}: {fault}"
        for field, fault in faults.items()
    }
