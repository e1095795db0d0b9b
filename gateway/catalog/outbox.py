"""The outbox: mails that are to be sent, and what became of each.

A mail is written down in the transaction that makes what it is about.  It is
``sending``, committed, before the relay gets its content: what a crash leaves so is
``unknown``, and nobody sends it again but by hand.
"""

from __future__ import annotations

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

#: Seconds for which a mail is tried.
LIFE: Final = 2 * 86_400
#: Seconds after which a mail is no longer being sent: no relay gets as many.
SENDING: Final = 900
#: Seconds until the next try: twice as long after each one, up to a bound.
_FIRST_PAUSE: Final = 60
_LONGEST_PAUSE: Final = 3600
_MAXIMUM_DOUBLINGS: Final = 6
_DAY: Final = 86_400
#: (!) A mail that has brought a code is no mail with a link afterwards.
_FORGOTTEN: Final = case((outbox.c.code.is_not(None), ""))


class MailState(StrEnum):
    """What became of a mail; ``none`` was ever written down."""

    NONE = "none"
    WAITING = "waiting"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    GIVEN_UP = "given-up"

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more is done by itself."""
        return self not in {MailState.WAITING, MailState.SENDING}


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail; times are Unix seconds.

    ``words`` are the relay's, or why it was given up.  With a ``code`` it brings that
    and no link; the code is empty once nothing more is done by itself.  It is tried
    from ``due`` on, and given up when the next try would come after ``expires``.
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
    """Write down a mail to each recipient, of *sender*, None being the operator."""
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
    """Return how many mails of links *sender* has had written down in a day."""
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
    """Return the mails with codes that a recipient was to get after a second.

    Each is the second in which it was written down and its state, the newest first.
    """
    found = connection.execute(
        select(outbox.c.created, outbox.c.state)
        .where(
            outbox.c.recipient_id == recipient.id,
            outbox.c.code.is_not(None),
            outbox.c.created > after,
            # What a clock that was ahead wrote down keeps nobody waiting.
            outbox.c.created <= now,
        )
        .order_by(outbox.c.created.desc())
    )
    return [(row.created, MailState(row.state)) for row in found]


def latest(connection: Connection, share_ids: Collection[str]) -> dict[str, Mail]:
    """Return the last mail with a link to each recipient of shares, by recipient."""
    last = (
        select(func.max(outbox.c.id))
        .join(recipients, recipients.c.id == outbox.c.recipient_id)
        .where(recipients.c.share_id.in_(share_ids), outbox.c.code.is_(None))
        .group_by(outbox.c.recipient_id)
    )
    found = _all(connection, select(outbox).where(outbox.c.id.in_(last)))
    return {mail.recipient_id: mail for mail in found}


def mailed(connection: Connection, recipient: Recipient) -> int | None:
    """Return when the relay last took a mail with a link, None if it never did.

    Of one that it is just being given that is when this began: a scanner on its way may
    be faster than the relay's answer.
    """
    given = [MailState.SENDING.value, MailState.ACCEPTED.value]
    return connection.execute(
        select(func.max(outbox.c.changed)).where(
            outbox.c.recipient_id == recipient.id,
            outbox.c.state.in_(given),
            outbox.c.code.is_(None),
        )
    ).scalar()


def due(connection: Connection, *, now: int, limit: int) -> list[Mail]:
    """Return mails that are to be tried, the longest due first."""
    return _all(
        connection,
        select(outbox)
        .where(outbox.c.state == MailState.WAITING.value, outbox.c.due <= now)
        .order_by(outbox.c.due, outbox.c.id)
        .limit(limit),
    )


def begin(connection: Connection, mail: Mail, *, now: int) -> Mail | None:
    """Note that a waiting mail is being sent, and return it so.

    None is returned if somebody else sends it or has sent it.
    """
    is_begun = _change(
        connection,
        *_is_as(mail),
        state=MailState.SENDING,
        changed=now,
        tries=outbox.c.tries + 1,
    )
    return replace(mail, state=MailState.SENDING) if is_begun else None


# (!) What becomes of a mail is noted of the state that *mail* has: another gateway may
#     have sent it since it was read as waiting, and else it would be sent once more.


def finish(
    connection: Connection, mail: Mail, state: MailState, words: str, *, now: int
) -> None:
    """Note what became of a mail; nobody needs its code any more."""
    _change(
        connection,
        *_is_as(mail),
        state=state,
        words=words,
        changed=now,
        code=_FORGOTTEN,
    )


def postpone(connection: Connection, mail: Mail, words: str, *, now: int) -> None:
    """Have a mail that was not taken tried later, each time after a longer pause."""
    pause = _FIRST_PAUSE << min(mail.tries, _MAXIMUM_DOUBLINGS)
    _change(
        connection,
        *_is_as(mail),
        state=MailState.WAITING,
        words=words,
        changed=now,
        tries=mail.tries + 1,
        due=now + min(pause, _LONGEST_PAUSE),
    )


def postpone_all(connection: Connection, words: str, *, now: int) -> None:
    """Have all that is due tried later: the relay is away."""
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


def settle(connection: Connection, *, now: int) -> None:
    """Give up what was tried for too long, and leave unknown what was interrupted."""
    early, late, interrupted = _unsettled(now)
    life = outbox.c.expires - outbox.c.created
    # A clock that was ahead has written it down, or when it is due: else it would wait
    # until then.
    _change(connection, *early, created=now, due=now, expires=now + life)
    _change(connection, *late, state=MailState.GIVEN_UP, changed=now, code=_FORGOTTEN)
    _change(
        connection,
        *interrupted,
        state=MailState.UNKNOWN,
        words="the gateway stopped while it sent this mail",
        changed=now,
        code=_FORGOTTEN,
    )


def leave_unknown(connection: Connection) -> None:
    """Send nothing that a backup was waiting to send: it may have been sent since."""
    _change(
        connection,
        outbox.c.state.in_([MailState.WAITING.value, MailState.SENDING.value]),
        state=MailState.UNKNOWN,
        words="the gateway was restored from a backup before this mail was sent",
        code=_FORGOTTEN,
    )


def _is_as(mail: Mail) -> tuple[Condition, Condition]:
    states = [mail.state.value]
    if mail.state is MailState.SENDING:
        # The relay took its time, and is known to have answered now.
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
            # A link was tried once more by then; a code is worth nothing afterwards.
            or_(
                outbox.c.due >= outbox.c.expires,
                and_(outbox.c.code.is_not(None), outbox.c.expires <= now),
            ),
        ],
        [is_sending, or_(changed <= now - SENDING, changed > now)],
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
