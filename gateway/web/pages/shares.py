"""``/shares``: a user's shares, the form for a new one, and a page for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, flash, request, url_for

from gateway.catalog import audit, leases, shares, uploads, users
from gateway.catalog.audit import Action
from gateway.catalog.shares import NewItem
from gateway.catalog.tokens import Scope
from gateway.errors import BadFieldsError, NotAuthenticatedError, NothingTakenError
from gateway.shares.description import gather, summarize
from gateway.shares.items import LISTED
from gateway.shares.policy import LIFE, SharePolicy
from gateway.web.api import pagination
from gateway.web.api.pagination import OwnedQuery, chosen_owner, listed
from gateway.web.pages import page, see_login, see_other, share_facts, share_form

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.shares import Share
    from gateway.shares.description import DescribedShare
    from gateway.web.auth.identity import Identity
    from gateway.web.owned_shares import Shares

PATH: Final = "/shares"
_PAGE: Final = 50
_HISTORY: Final = 100
_DAY: Final = 86_400
#: Recent uploads that the form to replace files offers.
_OFFERED: Final = 20
#: The entries of the history, as text.
_ACTION_LABELS: Final[dict[str, str]] = {
    Action.CREATED: "created",
    Action.CHANGED: "changed",
    Action.RECIPIENT_ADDED: "links added",
    Action.RECIPIENT_REVOKED: "link revoked",
    Action.MAILED: "sent by email",
    Action.REVOKED: "revoked",
    Action.GIVEN_BACK: "one more download allowed",
}


@dataclass(frozen=True)
class SharePages:
    """The pages of a user's shares."""

    shares: Shares
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("shares", __name__, url_prefix=PATH)
        for rule, view, method in (
            ("", self.listing, "GET"),
            ("", self.create, "POST"),
            ("/new", self.new, "GET"),
            ("/<share_id>", self.show, "GET"),
            ("/<share_id>", self.edit, "POST"),
            ("/<share_id>/sent.csv", self.report, "GET"),
            ("/<share_id>/files", self.replace_files, "POST"),
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
        """Show shares, newest first; for the query, see ``pagination``."""
        person = self._person()
        if person is None:
            return see_login(url_for("shares.listing"))
        query = pagination.read(OwnedQuery, limit=_PAGE)
        with self.shares.database.read() as connection:
            owner = chosen_owner(connection, person, query.owner)
            found = shares.newest(
                connection, owner, limit=query.rows, after=query.after
            )
            rows, older = pagination.newest(found, query)
            shown = summarize(connection, rows)
        now = int(self.clock())
        return page(
            "shares.html",
            user=person.user,
            owner=owner,
            listed=listed,
            shares=[share_facts.summary(each, now=now) for each in shown],
            older=older,
            is_first=query.after is None,
        )

    def new(self) -> Response:
        """Show the form for a share of the uploads in ``?upload=``."""
        person = self._person()
        if person is None:
            upload_ids = request.args.getlist("upload")
            return see_login(url_for("shares.new", upload=upload_ids))
        person.require(Scope.SHARE)
        return self._form(person)

    def create(self) -> Response:
        """Create a share, or show the form again with error messages."""
        person = self._sharer()
        now = int(self.clock())
        faults: dict[str, str] = {}
        try:
            policy = share_form.policy(SharePolicy(expires=now + LIFE), now=now)
        except BadFieldsError as error:
            policy, faults = SharePolicy(), dict(error.faults)
        try:
            to = share_form.recipients()
            items = self._items(person)
            if not faults:
                share, _ = self.shares.changes.make(
                    person.user, policy, items, to, now=now
                )
                return see_other(url_for("shares.show", share_id=share.id))
        except BadFieldsError as error:
            faults |= error.faults
        return self._form(person, faults=faults)

    def show(self, share_id: str) -> Response:
        """Show a share with its links."""
        person = self._person()
        if person is None:
            return see_login(url_for("shares.show", share_id=share_id))
        return self._share(person, self.shares.owned(person, share_id))

    def report(self, share_id: str) -> Response:
        """Return a CSV file of the deliveries to each recipient of a share."""
        person = self._person()
        if person is None:
            return see_login(url_for("shares.show", share_id=share_id))
        return self.shares.table(self.shares.owned(person, share_id))

    def edit(self, share_id: str) -> Response:
        """Change the settings of a share; its links stay the same."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        now = int(self.clock())
        try:
            self.shares.changes.edit(
                person.user,
                share,
                share_form.policy(SharePolicy.of(share), now=now),
                now=now,
            )
        except BadFieldsError as error:
            return self._share(person, share, faults=error.faults)
        flash("The changes were saved. The links stay the same.")
        return see_other(url_for("shares.show", share_id=share.id))

    def replace_files(self, share_id: str) -> Response:
        """Replace the files of a share; its links stay the same."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        try:
            self.shares.changes.edit(
                person.user,
                share,
                SharePolicy.of(share),
                items=[*self._hidden_items(person, share), *self._items(person)],
                now=int(self.clock()),
            )
        except BadFieldsError as error:
            return self._share(person, share, faults=error.faults)
        flash("The files were replaced. The links stay the same.")
        return see_other(url_for("shares.show", share_id=share.id))

    def revoke(self, share_id: str) -> Response:
        """Revoke a share and all its links."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        self.shares.changes.revoke(person.user, share, now=int(self.clock()))
        flash("The share was revoked. Its links no longer work.")
        return see_other(url_for("shares.show", share_id=share.id))

    def add_recipients(self, share_id: str) -> Response:
        """Add links to a share."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        try:
            added = self.shares.changes.add_recipients(
                person.user, share, share_form.recipients(), now=int(self.clock())
            )
        except BadFieldsError as error:
            return self._share(person, share, faults=error.faults)
        flash(_added(len(added)))
        return see_other(url_for("shares.show", share_id=share.id))

    def revoke_recipient(self, share_id: str, recipient_id: str) -> Response:
        """Revoke one link of a share."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        self.shares.changes.revoke_recipient(
            person.user, recipient, now=int(self.clock())
        )
        flash("The link was revoked. It no longer works.")
        return see_other(url_for("shares.show", share_id=share.id))

    def resend(self, share_id: str, recipient_id: str) -> Response:
        """Send one link by email again."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        try:
            sent = self.shares.changes.resend(
                person.user, share, [recipient], now=int(self.clock())
            )
        except BadFieldsError as error:
            flash(f"The email was not sent: {error.faults['to']}.")
        else:
            flash(
                "The email will be sent."
                if sent
                else "The email is already being sent."
            )
        return see_other(url_for("shares.show", share_id=share.id))

    def give_back(self, share_id: str, recipient_id: str) -> Response:
        """Allow one more download of one link."""
        person = self._sharer()
        share = self.shares.owned(person, share_id)
        recipient = self.shares.recipient(share, recipient_id)
        try:
            self.shares.changes.give_back(person.user, recipient, now=int(self.clock()))
        except NothingTakenError:
            flash("No download of this link has been counted yet.")
        else:
            flash("The link can be downloaded one more time.")
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

    def _hidden_items(self, person: Identity, share: Share) -> list[NewItem]:
        """Return the items that *person*'s form does not show: they are not replaced.

        Only administrators see items that are paths.
        """
        if person.is_admin:
            return []
        with self.shares.database.read() as connection:
            items = shares.items_of(connection, [share.id])
        return [NewItem(item.name, path=item.path) for item in items if item.path]

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
        """Show the form for a new share, with the sent values and any *faults*."""
        items = []
        for upload in request.values.getlist("upload"):
            try:
                items.append(self.shares.item(person, upload=upload, path=None))
            except BadFieldsError as error:
                faults = {**error.faults, **(faults or {})}
        return page(
            "share_new.html",
            status=400 if faults else 200,
            user=person.user,
            items=items,
            faults=share_form.messages(faults or {}),
            fields=request.form,
            lifetimes=share_form.LIFETIMES,
            lifetime=request.form.get("life", share_form.DEFAULT_LIFETIME),
            languages=share_form.languages(),
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
        files = self.shares.items.listed(found.items, most=LISTED + 1)
        return page(
            "share.html",
            status=400 if faults else 200,
            user=person.user,
            share=share_facts.facts(
                found, self.shares.descriptions, now=int(self.clock()), running=running
            ),
            files=files[:LISTED],
            is_cut=len(files) > LISTED,
            history=[
                {
                    "at": each.at,
                    "actor": each.actor,
                    "action": _ACTION_LABELS[each.action],
                }
                for each in history
            ],
            qr=request.args.get("qr", ""),
            faults=share_form.messages(faults or {}),
            fields=request.form if faults else {},
            lifetimes=share_form.LIFETIMES,
            same=share_form.SAME,
            languages=share_form.languages(),
            offered=self._offered(person, found),
            is_admin=person.is_admin,
            may_mail=self.shares.changes.may_mail(person.user),
        )

    def _offered(self, person: Identity, found: DescribedShare) -> list[dict[str, Any]]:
        """Return the uploads that the form to replace files offers.

        The uploads in the share come first, then the newest uploads of its owner.
        """
        owner_id = found.share.owner_id
        with self.shares.database.read() as connection:
            owner = users.by_id(connection, owner_id) if owner_id else person.user
            newest = uploads.newest(connection, owner, limit=_OFFERED) if owner else []
        shared = [item for item in found.items if item.blob is not None]
        ids = {item.upload_id for item in shared}
        return [
            {"id": item.upload_id, "name": item.name, "size": item.size, "shared": True}
            for item in shared
        ] + [
            {"id": each.id, "name": each.name, "size": each.size, "at": each.created}
            for each in newest
            if each.id not in ids
        ]


def _added(count: int) -> str:
    """Return the message that *count* links were added."""
    if count == 0:
        return "No link was added: each of these addresses already has a link."
    return "One link was added." if count == 1 else f"{count} links were added."
