"""One-time codes: mailed to a recipient who asks, good for one lease.

A recipient has one code at most: the last one that was mailed.  The catalog holds its
MAC by the server secret, and the outbox the code itself until its mail was sent.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update

from gateway.catalog import outbox
from gateway.catalog.outbox import MailState
from gateway.catalog.schema import one_time_codes
from gateway.errors import TooManyCodesError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from gateway.catalog.recipients import Recipient
    from gateway.catalog.users import User

#: Seconds for which a code works.
LIFE: Final = 600
#: Guesses of one code.
TRIES: Final = 5
#: Seconds between two codes of a link, and how many of them are mailed in a day.
PAUSE: Final = 60
MAILS: Final = 5
_DAY: Final = 86_400


def mail(
    connection: Connection,
    recipient: Recipient,
    sender: User | None,
    *,
    code: str,
    mac: str,
    now: int,
) -> None:
    """Have *code* mailed, in the place of an earlier one; *mac* is what is kept of it.

    Raise TooManyCodesError if one is on its way or was mailed less than PAUSE seconds
    before, or MAILS of them in a day.  *connection* is in a write transaction, alone.
    """
    wait = _wait(outbox.codes(connection, recipient, after=now - _DAY, now=now), now)
    if wait > 0:
        raise TooManyCodesError(wait)
    outbox.add(connection, [recipient], sender, now=now, code=code, life=LIFE)
    connection.execute(
        delete(one_time_codes).where(one_time_codes.c.recipient_id == recipient.id)
    )
    connection.execute(
        insert(one_time_codes).values(
            recipient_id=recipient.id, mac=mac, tries=0, created=now, expires=now + LIFE
        )
    )


def _wait(mails: list[tuple[int, MailState]], now: int) -> int:
    """Return after how many seconds another mail may follow *mails*, newest first.

    One that waits for the relay keeps its code: a newer one would wait behind it.  One
    that was given up has reached nobody, and counts for no day.
    """
    ends = [
        created + (PAUSE if state.is_over else LIFE) for created, state in mails[:1]
    ]
    sent = [created for created, state in mails if state is not MailState.GIVEN_UP]
    ends += [created + _DAY for created in sent[MAILS - 1 : MAILS]]
    return max(ends, default=now) - now


def spend(connection: Connection, recipient: Recipient, mac: str, *, now: int) -> bool:
    """Tell whether *mac* is that of the recipient's code, which then is used up.

    A wrong one counts as soon as *connection*, in a write transaction alone, commits.
    """
    known = connection.execute(
        update(one_time_codes)
        .where(_stands(recipient, now))
        .values(tries=one_time_codes.c.tries + 1)
        .returning(one_time_codes.c.mac)
    ).scalar_one_or_none()
    if known is None or not hmac.compare_digest(known, mac):
        return False
    connection.execute(
        delete(one_time_codes).where(one_time_codes.c.recipient_id == recipient.id)
    )
    return True


def tries_left(connection: Connection, recipient: Recipient, *, now: int) -> int:
    """Return how often the recipient's code can be guessed; 0 is no code."""
    query = select(one_time_codes.c.tries).where(_stands(recipient, now))
    tries = connection.execute(query).scalar_one_or_none()
    return 0 if tries is None else TRIES - tries


def remove_over(connection: Connection, *, before: int, limit: int) -> int:
    """Forget codes that ended before that second; return how many."""
    some = (
        select(one_time_codes.c.recipient_id)
        .where(one_time_codes.c.expires < before)
        .limit(limit)
    )
    return connection.execute(
        delete(one_time_codes).where(one_time_codes.c.recipient_id.in_(some))
    ).rowcount


def _stands(recipient: Recipient, now: int) -> ColumnElement[bool]:
    return (
        (one_time_codes.c.recipient_id == recipient.id)
        & (one_time_codes.c.tries < TRIES)
        & (one_time_codes.c.expires > now)
        # A clock that was ahead has made it: it would work for as much longer.
        & (one_time_codes.c.created <= now)
    )
