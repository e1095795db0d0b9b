"""Making, changing and revoking shares, for page, API and command alike.

Each change is noted in the audit, in its own transaction.
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

#: Recipients of one share, at most.
MAXIMUM_RECIPIENTS: Final = 500
#: Links that a fault names.
_NAMED: Final = 5


@dataclass(frozen=True)
class ShareChanges:
    """Changes shares; ``actor`` is who does, None the operator by a command.

    ``mail_limit`` is how many mails go out for a user in a day, 0 being no limit; None
    is no mail at all.
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
        """Make a share and return it, and whether it is new.

        What *items* name twice it opens once.  The share that *actor* made with the
        same *key* before is returned as it is.  Raise IdempotencyKeyError if that was
        another request, and BadFieldsError for what can't be shared.
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
            made = shares.new(
                connection, actor, items, now=now, key=key, **vars(policy)
            )
            added = recipients.add(connection, made, to, now=now)
            detail = json.dumps({"has_otp": True}) if policy.has_otp else ""
            audit.record(
                connection, actor, Action.CREATED, made.id, now=now, detail=detail
            )
            self._mail(connection, actor, made, added, now=now)
        return made, True

    def made_before(self, actor: User, key: Key) -> Share | None:
        """Return the share that *actor* made with that key, if there is one.

        Raise IdempotencyKeyError if that was another request.
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
        """Give a share another policy, and other *items* if there are any.

        Raise BadFieldsError for what can't be.
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
        """Give a share more links, and return them.

        An address that has one, which is not revoked, gets no other.  Raise
        BadFieldsError for more than there may be, for a share that is over, and for one
        without an address, if codes are mailed.
        """
        if share.state(now=now) in {State.EXPIRED, State.REVOKED}:
            raise BadFieldsError({"to": "the share is over: its links open nothing"})
        with self.database.write() as connection:
            current = shares.by_id(connection, share.id)
            if current is not None and current.has_otp:
                _check_addresses(to)
            there = recipients.of_shares(connection, [share.id])
            known = {
                each.address.casefold()
                for each in there
                if each.address and each.revoked is None
            }
            to = [each for each in to if each.address.casefold() not in known]
            if not to:
                return []
            _check_counts(to=len(there) + len(to))
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
        """Send links again, and return to whom.

        Those without an address are left out, and those whose link is over or whose
        mail is on its way.  Raise NotPermittedError if no mail goes out for *actor*,
        BadFieldsError for more than may.
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
        """Tell whether mails go out for *actor*."""
        return self.mail_limit is not None and (actor is None or actor.may_send_mail)

    def _check_mail(self, owner: User | None) -> None:
        """Raise BadFieldsError if no one-time codes can be mailed for *owner*."""
        fault = ""
        if self.mail_limit is None:
            fault = "mail is not set up, and one-time codes are mailed"
        elif owner is not None and not owner.may_send_mail:
            fault = f"{owner.name} may not send mail, and one-time codes are mailed"
        if fault:
            raise BadFieldsError({"otp": fault})

    def _check_codes(self, connection: Connection, share: Share) -> None:
        """Raise BadFieldsError unless each link of a share can get one-time codes."""
        owner = None
        if share.owner_id is not None:
            owner = users.by_id(connection, share.owner_id)
        self._check_mail(owner)
        lacking = [
            each.label or each.id
            for each in recipients.of_shares(connection, [share.id])
            if not each.address and each.revoked is None
        ]
        if lacking:
            more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
            names = ", ".join(lacking[:_NAMED]) + more
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
        """Have links sent to those with an address; return to whom."""
        addressed = [each for each in to if each.address]
        if not addressed or not self.may_mail(actor):
            return []
        if actor is not None and self.mail_limit:
            left = self.mail_limit - outbox.count_of_day(connection, actor, now=now)
            if len(addressed) > left:
                fault = (
                    f"at most {self.mail_limit} mails a day, {max(0, left)} are left"
                )
                raise BadFieldsError({"to": fault})
        outbox.add(connection, addressed, actor, now=now)
        ids = " ".join(each.id for each in addressed)
        audit.record(connection, actor, Action.MAILED, share.id, now=now, detail=ids)
        return addressed

    def revoke(self, actor: User | None, share: Share, *, now: int) -> None:
        """End a share with all its links and downloads."""
        with self.database.write(may_use_reserve=True) as connection:
            if shares.revoke(connection, share, now=now):
                audit.record(connection, actor, Action.REVOKED, share.id, now=now)

    def revoke_recipient(
        self, actor: User | None, recipient: Recipient, *, now: int
    ) -> None:
        """End one link with its downloads."""
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
        """Let a link be downloaded once more; raise NothingTakenError if it never was.

        A download that is running counts, and goes on.
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
        # The password's hash is nobody's to read, and texts may be long.
        words = {
            name: value
            for name, value in changed.items()
            if name in {"max_downloads", "has_otp", "not_before", "expires", "lang"}
        }
        words |= {name: "changed" for name in changed if name not in words}
        if items is not None:
            words["items"] = [item.name for item in items]
        if words:
            audit.record(
                connection,
                actor,
                Action.CHANGED,
                share.id,
                now=now,
                detail=json.dumps(words),
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
    """Raise BadFieldsError if one-time codes could not be mailed to all of them."""
    if not all(each.address for each in to):
        raise BadFieldsError({"to": "must be given: one-time codes are mailed"})


def _repeated(share: Share, is_same_request: bool) -> Share:  # noqa: FBT001
    if not is_same_request:
        raise IdempotencyKeyError
    return share
