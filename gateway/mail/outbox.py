"""Sends the mails in the catalog's outbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.catalog import outbox, recipients, shares, users
from gateway.catalog.outbox import MailState
from gateway.catalog.shares import State as ShareState
from gateway.errors import GatewayError, RelayError
from gateway.mail.letters import CodeMail, ShareMail
from gateway.mail.message import compose, raw
from gateway.mail.relay import Relay
from gateway.mail.replies import Outcome, State
from gateway.mail.session import Timeouts
from gateway.mail_address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.outbox import Mail
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Item, Share
    from gateway.catalog.users import User
    from gateway.config.mail_url import MailURL

_BATCH: Final = 20
_MINUTE: Final = 60
_STATES: Final = {
    State.ACCEPTED: MailState.ACCEPTED,
    State.REFUSED: MailState.REFUSED,
    State.UNKNOWN: MailState.UNKNOWN,
}


class _ObsoleteError(Exception):
    """The mail must not be sent any more, for the reason in the message."""


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """Sends mails through the relay at ``url``, from ``sender``.

    ``site`` is the name of the gateway in the mails.  ``link`` returns the URL of a
    recipient's link, ``clock`` Unix seconds; ``say`` is called with a line for each
    failure of the relay, ``note`` with the final state of each mail.
    """

    database: Database
    url: MailURL
    sender: Mailbox
    site: str
    link: Callable[[Recipient], str]
    clock: Callable[[], float]
    say: Callable[[str], None]
    timeouts: Timeouts = field(default_factory=Timeouts)
    note: Callable[[MailState], object] = id

    def send(self, *, is_stopped: Callable[[], bool] = bool) -> int:
        """Send all due mails; return the number of mails that the relay has accepted.

        If the relay is unavailable, the mails stay in the outbox.  *is_stopped* is
        checked before each mail.  Raise CatalogBusyError or NoSpaceError if the
        catalog is unavailable.
        """
        self._settle()
        accepted = 0
        with Relay(self.url, self.sender.wire, self.timeouts) as relay:
            while due := self._due():
                for mail in due:
                    if is_stopped():
                        return accepted
                    try:
                        accepted += self._send(relay, mail)
                    except RelayError as error:
                        self.say(f"mails wait: {error}")
                        with self.database.write() as connection:
                            outbox.postpone_all(connection, str(error), now=self._now())
                        return accepted
        return accepted

    def _now(self) -> int:
        return int(self.clock())

    def _settle(self) -> None:
        now = self._now()
        with self.database.read() as connection:
            is_settled = outbox.is_settled(connection, now=now)
        if not is_settled:
            with self.database.write() as connection:
                settled = outbox.settle(connection, now=now)
            for state in settled.elements():
                self.note(state)

    def _due(self) -> list[Mail]:
        with self.database.read() as connection:
            return outbox.due(connection, now=self._now(), limit=_BATCH)

    def _send(self, relay: Relay, mail: Mail) -> bool:
        """Send a mail and record the outcome; return whether it was accepted."""
        try:
            to, content = self._compose(mail)
        except _ObsoleteError as reason:
            with self.database.write() as connection:
                outbox.finish(
                    connection, mail, MailState.GIVEN_UP, str(reason), now=self._now()
                )
            self.note(MailState.GIVEN_UP)
            return False
        except GatewayError:
            raise
        except Exception as error:  # noqa: BLE001 -- later mails must still be sent
            self.say(f"mail {mail.id} failed: {type(error).__name__}: {error}")
            words = "the gateway could not write this mail"
            refusal: Outcome | None = Outcome(State.LATER, words)
        else:
            refusal = relay.offer(to.wire)
        if refusal is not None:
            # (!) An error of the catalog must end the loop here: the mail is still due,
            #     and would be offered to the relay again and again.
            with self.database.write() as connection:
                self._note(connection, mail, refusal)
            self._report(refusal)
            return False
        # (!) Committed before delivery: after a crash the mail counts as unknown.
        with self.database.write() as connection:
            begun = outbox.begin(connection, mail, now=self._now())
        if begun is None:
            return False
        outcome = relay.deliver(content)
        # Retries until the catalog has recorded the outcome.
        self.database.write_or_defer(partial(self._note, mail=begun, outcome=outcome))
        self._report(outcome)
        return outcome.state is State.ACCEPTED

    def _note(self, connection: Connection, mail: Mail, outcome: Outcome) -> None:
        now, words = self._now(), outcome.words
        if outcome.state is State.LATER:
            outbox.postpone(connection, mail, words, now=now)
        else:
            state = _STATES[outcome.state]
            outbox.finish(connection, mail, state, words, now=now)

    def _report(self, outcome: Outcome) -> None:
        if outcome.state is not State.LATER:
            self.note(_STATES[outcome.state])

    def _compose(self, mail: Mail) -> tuple[Mailbox, bytes]:
        """Return a mail's address and bytes; raise _ObsoleteError if it is obsolete."""
        recipient, share, items, owner = self._read(mail)
        now = self._now()
        if recipient.revoked is not None or share.revoked is not None:
            raise _ObsoleteError("the link was revoked before the mail was sent")
        if share.state(now=now) is ShareState.EXPIRED:
            raise _ObsoleteError("the share expired before the mail was sent")
        if owner is not None and (owner.is_disabled or not owner.may_send_mail):
            raise _ObsoleteError(f"{owner.name} may not send mail")
        try:
            to = Mailbox.parse(recipient.address)
        except ValueError as error:
            raise _ObsoleteError(str(error)) from None
        letter: ShareMail | CodeMail
        if mail.code is None:
            letter = ShareMail(
                to=to,
                link=self.link(recipient),
                site=self.site,
                files=tuple(map(_file, items)),
                title=share.title,
                message=share.message,
                sender_name="" if owner is None else owner.name,
                reply_to=_mailbox(owner),
                not_before=share.not_before,
                expires=share.expires,
                has_password=share.password_hash is not None,
                has_otp=share.has_otp,
                lang=share.lang,
            )
        else:
            letter = CodeMail(
                to=to,
                code=mail.code,
                site=self.site,
                minutes=max(1, (mail.expires - now) // _MINUTE),
                title=share.title,
                lang=share.lang,
            )
        message_id = f"{mail.id}.{recipient.id}"
        return to, raw(
            compose(letter.letter(), sender=self.sender, message_id=message_id, now=now)
        )

    def _read(self, mail: Mail) -> tuple[Recipient, Share, list[Item], User | None]:
        with self.database.read() as connection:
            recipient = recipients.by_id(connection, mail.recipient_id)
            if recipient is None:
                raise _ObsoleteError("the share was deleted before the mail was sent")
            share = shares.by_id(connection, recipient.share_id)
            assert share is not None  # noqa: S101 -- a foreign key says so
            owner = None
            if share.owner_id is not None:
                owner = users.by_id(connection, share.owner_id)
            return recipient, share, shares.items_of(connection, [share.id]), owner


def _file(item: Item) -> tuple[str, int | None]:
    return (f"{item.name}/" if item.is_folder else item.name), item.size


def _mailbox(owner: User | None) -> Mailbox | None:
    """Return the address of a user whose name is an address, else None."""
    try:
        return None if owner is None else Mailbox.parse(owner.name)
    except ValueError:
        return None
