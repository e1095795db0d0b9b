"""Creates, changes and revokes shares, for pages, API and commands.

Each change is recorded in the audit log, in the transaction of the change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.catalog import audit, leases, outbox, recipients, shares, users
from gateway.catalog.audit import Action
from gateway.catalog.shares import State
from gateway.errors import BadFieldsError, IdempotencyKeyError, NotPermittedError
from gateway.shares.items import MAXIMUM as MAXIMUM_ITEMS
from gateway.shares.policy import SharePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.recipients import NewRecipient, Recipient
    from gateway.catalog.shares import Key, NewItem, Share
    from gateway.catalog.users import User

#: Maximum number of recipients of a share.
MAXIMUM_RECIPIENTS: Final = 500
#: Maximum number of links that an error message names.
_NAMED: Final = 5


@dataclass(frozen=True)
class ShareChanges:
    """Changes shares; each method's *actor* is the user, or None for the operator.

    ``mail_limit`` is the number of mails per user and day, 0 for no limit; None if
    mail is not set up.
    """

    database: Database
    mail_limit: int | None = None

    def make(
        self,
        actor: User | None,
        policy: SharePolicy,
        items: Sequence[NewItem],
        to: Sequence[NewRecipient],
        *,
        now: int,
        key: Key | None = None,
    ) -> tuple[Share, bool]:
        """Create a share; return it, and whether it is new.

        Duplicate *items* are ignored.  If *actor* has already created a share with the
        same idempotency *key*, return that share unchanged.  Raise IdempotencyKeyError
        if the key belongs to a different request, BadFieldsError for invalid fields.
        """
        policy = policy.checked(now=now)
        items = list(dict.fromkeys(items))
        _check_counts(items=len(items), to=len(to))
        if policy.has_otp:
            self._check_mail(actor)
            _check_addresses(to)
        with self.database.write() as connection:
            if key is not None and actor is not None:
                earlier = shares.by_key(connection, actor, key)
                if earlier is not None:
                    return _repeated(*earlier), False
            share = shares.new(
                connection, actor, items, now=now, key=key, **vars(policy)
            )
            added = recipients.add(connection, share, to, now=now)
            detail = json.dumps({"has_otp": True}) if policy.has_otp else ""
            audit.record(
                connection, actor, Action.CREATED, share.id, now=now, detail=detail
            )
            self._mail(connection, actor, share, added, now=now)
        return share, True

    def by_key(self, actor: User, key: Key) -> Share | None:
        """Return the share that *actor* created with an idempotency key, or None.

        Raise IdempotencyKeyError if the key belongs to a different request.
        """
        with self.database.read() as connection:
            earlier = shares.by_key(connection, actor, key)
        return None if earlier is None else _repeated(*earlier)

    def edit(
        self,
        actor: User | None,
        share: Share,
        policy: SharePolicy,
        *,
        items: Sequence[NewItem] | None = None,
        now: int,
    ) -> Share:
        """Set the policy of a share, and replace its items if *items* is not None.

        Return the changed share.  Raise BadFieldsError for invalid fields.
        """
        policy = policy.checked(now=now, before=SharePolicy.of(share))
        changed = {
            name: value
            for name, value in vars(policy).items()
            if value != getattr(share, name)
        }
        if items is not None:
            items = list(dict.fromkeys(items))
            _check_counts(items=len(items))
        with self.database.write() as connection:
            if changed.get("has_otp"):
                self._check_codes(connection, share)
            result = shares.change(connection, share, **changed)
            if items is not None:
                shares.replace_items(connection, share, items, now=now)
            self._note_change(connection, actor, share, changed, items, now=now)
        return result

    def add_recipients(
        self, actor: User | None, share: Share, to: Sequence[NewRecipient], *, now: int
    ) -> list[Recipient]:
        """Add recipients to a share, and return the added recipients.

        Addresses that already have a link that is not revoked are skipped.  Raise
        BadFieldsError for too many recipients, for an expired or revoked share, and for
        a recipient without an address if one-time codes are required.
        """
        if share.state(now=now) in {State.EXPIRED, State.REVOKED}:
            raise BadFieldsError({"to": "the share has expired or is revoked"})
        with self.database.write() as connection:
            current = shares.by_id(connection, share.id)
            if current is not None and current.has_otp:
                _check_addresses(to)
            existing = recipients.of_shares(connection, [share.id])
            known = {
                each.address.casefold()
                for each in existing
                if each.address and each.revoked is None
            }
            to = [each for each in to if each.address.casefold() not in known]
            if not to:
                return []
            _check_counts(to=len(existing) + len(to))
            added = recipients.add(connection, share, to, now=now)
            ids = " ".join(each.id for each in added)
            audit.record(
                connection,
                actor,
                Action.RECIPIENT_ADDED,
                share.id,
                now=now,
                detail=ids,
            )
            self._mail(connection, actor, share, added, now=now)
        return added

    def resend(
        self, actor: User | None, share: Share, to: Sequence[Recipient], *, now: int
    ) -> list[Recipient]:
        """Mail links again; return the recipients whose mail is sent.

        Recipients without an address, with a revoked link, or with a mail in the outbox
        are skipped.  Raise NotPermittedError if *actor* may not send mail,
        BadFieldsError if the daily limit is exceeded.
        """
        if not self.may_mail(actor):
            raise NotPermittedError("mail")
        if share.state(now=now) in {State.EXPIRED, State.REVOKED}:
            return []
        with self.database.write() as connection:
            mails = outbox.latest(connection, [share.id])
            again = [
                each
                for each in to
                if each.revoked is None
                and (each.id not in mails or mails[each.id].state.is_over)
            ]
            return self._mail(connection, actor, share, again, now=now)

    def may_mail(self, actor: User | None) -> bool:
        """Return whether mail is set up and *actor* may send it."""
        return self.mail_limit is not None and (actor is None or actor.may_send_mail)

    def _check_mail(self, owner: User | None) -> None:
        """Raise BadFieldsError if one-time codes can't be mailed for *owner*."""
        fault = ""
        if self.mail_limit is None:
            fault = "mail is not set up, and one-time codes are mailed"
        elif owner is not None and not owner.may_send_mail:
            fault = f"{owner.name} may not send mail, and one-time codes are mailed"
        if fault:
            raise BadFieldsError({"otp": fault})

    def _check_codes(self, connection: Connection, share: Share) -> None:
        """Raise BadFieldsError unless all recipients can get one-time codes."""
        owner = None
        if share.owner_id is not None:
            owner = users.by_id(connection, share.owner_id)
        self._check_mail(owner)
        without_address = [
            each.label or each.id
            for each in recipients.of_shares(connection, [share.id])
            if not each.address and each.revoked is None
        ]
        if without_address:
            more = (
                f" and {len(without_address) - _NAMED} more"
                if len(without_address) > _NAMED
                else ""
            )
            names = ", ".join(without_address[:_NAMED]) + more
            fault = f"these links have no mail address for one-time codes: {names}"
            raise BadFieldsError({"otp": fault})

    def _mail(
        self,
        connection: Connection,
        actor: User | None,
        share: Share,
        to: Sequence[Recipient],
        *,
        now: int,
    ) -> list[Recipient]:
        """Add mails to the outbox for recipients with an address; return these."""
        addressed = [each for each in to if each.address]
        if not addressed or not self.may_mail(actor):
            return []
        if actor is not None and self.mail_limit:
            remaining = self.mail_limit - outbox.count_of_day(
                connection, actor, now=now
            )
            if len(addressed) > remaining:
                fault = (
                    f"at most {self.mail_limit} mails a day, {max(0, remaining)} are "
                    "left"
                )
                raise BadFieldsError({"to": fault})
        outbox.add(connection, addressed, actor, now=now)
        ids = " ".join(each.id for each in addressed)
        audit.record(connection, actor, Action.MAILED, share.id, now=now, detail=ids)
        return addressed

    def revoke(self, actor: User | None, share: Share, *, now: int) -> None:
        """Revoke a share with all its links and downloads."""
        with self.database.write(may_use_reserve=True) as connection:
            if shares.revoke(connection, share, now=now):
                audit.record(connection, actor, Action.REVOKED, share.id, now=now)

    def revoke_recipient(
        self, actor: User | None, recipient: Recipient, *, now: int
    ) -> None:
        """Revoke one link with its downloads."""
        with self.database.write(may_use_reserve=True) as connection:
            if recipients.revoke(connection, recipient, now=now):
                audit.record(
                    connection,
                    actor,
                    Action.RECIPIENT_REVOKED,
                    recipient.share_id,
                    now=now,
                    detail=recipient.id,
                )

    def give_back(self, actor: User | None, recipient: Recipient, *, now: int) -> None:
        """Allow one more download with a link.

        Raise NothingTakenError if none was counted yet.  A running download is counted,
        and continues.
        """
        with self.database.write() as connection:
            leases.give_back(connection, recipient, now=now)
            audit.record(
                connection,
                actor,
                Action.GIVEN_BACK,
                recipient.share_id,
                now=now,
                detail=recipient.id,
            )

    def _note_change(
        self,
        connection: Connection,
        actor: User | None,
        share: Share,
        changed: dict[str, Any],
        items: Sequence[NewItem] | None,
        *,
        now: int,
    ) -> None:
        # The password's hash is secret, and texts may be long.
        detail = {
            name: value
            for name, value in changed.items()
            if name in {"max_downloads", "has_otp", "not_before", "expires", "lang"}
        }
        detail |= {name: "changed" for name in changed if name not in detail}
        if items is not None:
            detail["items"] = [item.name for item in items]
        if detail:
            audit.record(
                connection,
                actor,
                Action.CHANGED,
                share.id,
                now=now,
                detail=json.dumps(detail),
            )


def _check_counts(*, items: int = 1, to: int = 1) -> None:
    faults = {}
    if not 1 <= items <= MAXIMUM_ITEMS:
        faults["items"] = f"must be 1 to {MAXIMUM_ITEMS}"
    if not 1 <= to <= MAXIMUM_RECIPIENTS:
        faults["to"] = f"must be 1 to {MAXIMUM_RECIPIENTS}"
    if faults:
        raise BadFieldsError(faults)


def _check_addresses(to: Sequence[NewRecipient]) -> None:
    """Raise BadFieldsError unless all recipients have an address for one-time codes."""
    if not all(each.address for each in to):
        raise BadFieldsError({"to": "must be given, because one-time codes are mailed"})


def _repeated(share: Share, is_same_request: bool) -> Share:  # noqa: FBT001
    if not is_same_request:
        raise IdempotencyKeyError
    return share
