"""The outbox: mails to be sent, with their states.

A mail is inserted in the transaction that creates its share or code.  Its state
``sending`` is committed before the relay gets its content: a mail that a crash left in
that state becomes ``unknown``, and is sent again only if a user requests it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, func, insert, or_, select, update

from gateway.catalog.schema import outbox, recipients

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from gateway.catalog.recipients import Recipient
    from gateway.catalog.users import User

    Condition = ColumnElement[bool]

#: Seconds for which the gateway attempts to send a mail.
LIFE: Final = 2 * 86_400
#: Seconds after which a mail is no longer being sent: no relay gets that much time.
SENDING: Final = 900
#: Seconds that another gateway's clock may be ahead.
_AHEAD: Final = 60
#: Seconds until the next attempt: doubled after each attempt, up to a bound.
_FIRST_PAUSE: Final = 60
_LONGEST_PAUSE: Final = 3600
_MAXIMUM_DOUBLINGS: Final = 6
_DAY: Final = 86_400
#: Erases the code, but keeps null as null.
#: (!) A mail with a code must not look like a mail with a link (null) afterwards.
_ERASED: Final = case((outbox.c.code.is_not(None), ""))


class MailState(StrEnum):
    """The state of a mail; ``none`` if there is no mail."""

    NONE = "none"
    WAITING = "waiting"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    GIVEN_UP = "given-up"

    @property
    def is_over(self) -> bool:
        """Tell whether the state is final: the gateway does not send the mail again."""
        return self not in {MailState.WAITING, MailState.SENDING}


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail; times are Unix seconds.

    ``words`` are the relay's reply, or the reason why the mail was given up.  A mail
    with a ``code`` contains the code and no link; the code is erased (empty) in a final
    state.  The next attempt is at ``due``; if ``due`` is not before ``expires``, the
    mail is given up.
    """

    id: int
    recipient_id: str
    sender_id: int | None
    state: MailState
    words: str
    code: str | None
    tries: int
    created: int
    changed: int
    due: int
    expires: int


def add(
    connection: Connection,
    to: Sequence[Recipient],
    sender: User | None,
    *,
    now: int,
    code: str | None = None,
    life: int = LIFE,
) -> None:
    """Insert a mail from *sender* (None is the operator) to each recipient."""
    rows = [
        {
            "recipient_id": recipient.id,
            "sender_id": None if sender is None else sender.id,
            "state": MailState.WAITING.value,
            "words": "",
            "code": code,
            "tries": 0,
            "created": now,
            "changed": now,
            "due": now,
            "expires": now + life,
        }
        for recipient in to
    ]
    if rows:
        connection.execute(insert(outbox), rows)


def count_of_day(connection: Connection, sender: User, *, now: int) -> int:
    """Return the number of mails with links that *sender* queued in the last day."""
    return connection.execute(
        select(func.count())
        .select_from(outbox)
        .where(
            outbox.c.sender_id == sender.id,
            outbox.c.created > now - _DAY,
            outbox.c.code.is_(None),
        )
    ).scalar_one()


def codes(
    connection: Connection, recipient: Recipient, *, after: int, now: int
) -> list[tuple[int, MailState]]:
    """Return the mails with codes to a recipient, queued after *after*, newest first.

    Each mail is returned as the Unix second in which it was queued, and its state.
    """
    rows = connection.execute(
        select(outbox.c.created, outbox.c.state)
        .where(
            outbox.c.recipient_id == recipient.id,
            outbox.c.code.is_not(None),
            outbox.c.created > after,
            # A row from a clock that was ahead must not keep the recipient waiting.
            outbox.c.created <= now,
        )
        .order_by(outbox.c.created.desc())
    )
    return [(row.created, MailState(row.state)) for row in rows]


def latest(connection: Connection, share_ids: Collection[str]) -> dict[str, Mail]:
    """Return the last mail with a link of each recipient, by recipient id."""
    last = (
        select(func.max(outbox.c.id))
        .join(recipients, recipients.c.id == outbox.c.recipient_id)
        .where(recipients.c.share_id.in_(share_ids), outbox.c.code.is_(None))
        .group_by(outbox.c.recipient_id)
    )
    mails = _all(connection, select(outbox).where(outbox.c.id.in_(last)))
    return {mail.recipient_id: mail for mail in mails}


def mailed(connection: Connection, recipient: Recipient) -> int | None:
    """Return when the relay last accepted a mail with a link, None if it never did.

    For a mail that is being sent, return when sending began: a mail scanner may be
    faster than the relay's answer.
    """
    sent = [MailState.SENDING.value, MailState.ACCEPTED.value]
    return connection.execute(
        select(func.max(outbox.c.changed)).where(
            outbox.c.recipient_id == recipient.id,
            outbox.c.state.in_(sent),
            outbox.c.code.is_(None),
        )
    ).scalar()


def due(connection: Connection, *, now: int, limit: int) -> list[Mail]:
    """Return mails whose next attempt is due, the earliest due first."""
    return _all(
        connection,
        select(outbox)
        .where(outbox.c.state == MailState.WAITING.value, outbox.c.due <= now)
        .order_by(outbox.c.due, outbox.c.id)
        .limit(limit),
    )


def begin(connection: Connection, mail: Mail, *, now: int) -> Mail | None:
    """Set a waiting mail's state to ``sending`` and return the changed mail.

    Return None if another gateway is sending it or has sent it.
    """
    is_begun = _change(
        connection,
        *_is_unchanged(mail),
        state=MailState.SENDING,
        changed=now,
        tries=outbox.c.tries + 1,
    )
    return replace(mail, state=MailState.SENDING) if is_begun else None


# (!) A mail is only updated while its row has the state that *mail* has: another
#     gateway may have sent it since it was read as waiting. Without this condition, it
#     would be sent twice.


def finish(
    connection: Connection, mail: Mail, state: MailState, words: str, *, now: int
) -> None:
    """Store the final state of a mail, and erase its code."""
    _change(
        connection,
        *_is_unchanged(mail),
        state=state,
        words=words,
        changed=now,
        code=_ERASED,
    )


def postpone(connection: Connection, mail: Mail, words: str, *, now: int) -> None:
    """Schedule the next attempt of a mail, each time after a longer pause."""
    pause = _FIRST_PAUSE << min(mail.tries, _MAXIMUM_DOUBLINGS)
    _change(
        connection,
        *_is_unchanged(mail),
        state=MailState.WAITING,
        words=words,
        changed=now,
        tries=mail.tries + 1,
        due=now + min(pause, _LONGEST_PAUSE),
    )


def postpone_all(connection: Connection, words: str, *, now: int) -> None:
    """Schedule all due mails for later: the relay can't be reached."""
    _change(
        connection,
        outbox.c.state == MailState.WAITING.value,
        outbox.c.due <= now,
        words=words,
        due=now + _FIRST_PAUSE,
    )


def is_settled(connection: Connection, *, now: int) -> bool:
    """Tell whether ``settle`` has nothing to do."""
    conditions = [and_(*condition) for condition in _unsettled(now)]
    query = select(outbox.c.id).where(or_(*conditions)).limit(1)
    return connection.execute(query).first() is None


def settle(connection: Connection, *, now: int) -> Counter[MailState]:
    """Give up mails after too many attempts; mark interrupted mails as unknown.

    Return the number of mails by their new state.
    """
    from_future, late, interrupted = _unsettled(now)
    lifetime = outbox.c.expires - outbox.c.created
    # The clock was ahead when ``created`` or ``due`` was set: without this, the mail
    # would wait until then.
    _change(connection, *from_future, created=now, due=now, expires=now + lifetime)
    given_up = _change(
        connection, *late, state=MailState.GIVEN_UP, changed=now, code=_ERASED
    )
    unknown = _change(
        connection,
        *interrupted,
        state=MailState.UNKNOWN,
        words="the gateway stopped while it sent this mail",
        changed=now,
        code=_ERASED,
    )
    return Counter({MailState.GIVEN_UP: given_up, MailState.UNKNOWN: unknown})


def waiting(connection: Connection, *, before: int) -> tuple[int, str]:
    """Return how many unsent mails were queued before *before*, and a reason why."""
    is_old = (
        outbox.c.state.in_([MailState.WAITING.value, MailState.SENDING.value]),
        outbox.c.created < before,
    )
    row = connection.execute(
        select(func.count(), func.max(outbox.c.words)).where(*is_old)
    ).one()
    return row[0], row[1] or ""


def leave_unknown(connection: Connection) -> None:
    """Mark a backup's unsent mails as unknown: they may have been sent since."""
    _change(
        connection,
        outbox.c.state.in_([MailState.WAITING.value, MailState.SENDING.value]),
        state=MailState.UNKNOWN,
        words="the gateway was restored from a backup before this mail was sent",
        code=_ERASED,
    )


def _is_unchanged(mail: Mail) -> tuple[Condition, Condition]:
    states = [mail.state.value]
    if mail.state is MailState.SENDING:
        # The relay answered after more than SENDING seconds: ``settle`` came first.
        states.append(MailState.UNKNOWN.value)
    return outbox.c.id == mail.id, outbox.c.state.in_(states)


def _unsettled(now: int) -> tuple[list[Condition], list[Condition], list[Condition]]:
    is_waiting = outbox.c.state == MailState.WAITING.value
    is_sending = outbox.c.state == MailState.SENDING.value
    changed = outbox.c.changed
    return (
        [
            is_waiting,
            or_(outbox.c.created > now, outbox.c.due > now + _LONGEST_PAUSE),
        ],
        [
            is_waiting,
            # A mail with a link that was due in time is sent late; an expired code is
            # useless.
            or_(
                outbox.c.due >= outbox.c.expires,
                and_(outbox.c.code.is_not(None), outbox.c.expires <= now),
            ),
        ],
        # (!) Not yet if another gateway, whose clock is a little ahead, is sending it.
        [is_sending, or_(changed <= now - SENDING, changed > now + _AHEAD)],
    )


def _change(
    connection: Connection,
    *conditions: Condition,
    **values: Any,  # noqa: ANN401
) -> int:
    changed = update(outbox).where(*conditions).values(**values)
    return connection.execute(changed).rowcount


def _all(connection: Connection, query: Select[Any]) -> list[Mail]:
    return [
        Mail(**{**row._asdict(), "state": MailState(row.state)})
        for row in connection.execute(query)
    ]
