"""One-time codes: mailed to a recipient on request, valid for one lease.

A recipient has at most one code, the last mailed code.  The catalog holds the code's
MAC by the server secret, and the outbox holds the code itself until its mail is sent.
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

#: Seconds for which a code is valid.
LIFE: Final = 600
#: Maximum guesses of one code.
TRIES: Final = 5
#: Minimum seconds between two codes of a share link, and maximum codes in a day.
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
    """Queue a mail with *code*, which replaces an earlier code; store its *mac*.

    Raise TooManyCodesError if a code's mail is waiting or was sent less than PAUSE
    seconds ago, or MAILS codes were mailed in a day.  *connection* is in a write
    transaction that excludes other writers.
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
    """Return the seconds until another mail may follow *mails*, newest first.

    A mail that waits for the relay keeps its code: a newer mail would wait behind it.
    A mail that was given up has not reached the recipient: it does not count.
    """
    ends = [
        created + (PAUSE if state.is_over else LIFE) for created, state in mails[:1]
    ]
    sent = [created for created, state in mails if state is not MailState.GIVEN_UP]
    ends += [created + _DAY for created in sent[MAILS - 1 : MAILS]]
    return max(ends, default=now) - now


def spend(connection: Connection, recipient: Recipient, mac: str, *, now: int) -> bool:
    """Tell whether *mac* matches the recipient's code, and delete a matching code.

    A wrong guess counts once the transaction commits.  *connection* is in a write
    transaction that excludes other writers.
    """
    expected = connection.execute(
        update(one_time_codes)
        .where(_is_valid(recipient, now))
        .values(tries=one_time_codes.c.tries + 1)
        .returning(one_time_codes.c.mac)
    ).scalar_one_or_none()
    if expected is None or not hmac.compare_digest(expected, mac):
        return False
    connection.execute(
        delete(one_time_codes).where(one_time_codes.c.recipient_id == recipient.id)
    )
    return True


def tries_left(connection: Connection, recipient: Recipient, *, now: int) -> int:
    """Return the number of guesses left for the recipient's code; 0 without a code."""
    query = select(one_time_codes.c.tries).where(_is_valid(recipient, now))
    tries = connection.execute(query).scalar_one_or_none()
    return 0 if tries is None else TRIES - tries


def remove_over(connection: Connection, *, before: int, limit: int) -> int:
    """Delete codes that expired before *before*; return their number."""
    ids = (
        select(one_time_codes.c.recipient_id)
        .where(one_time_codes.c.expires < before)
        .limit(limit)
    )
    return connection.execute(
        delete(one_time_codes).where(one_time_codes.c.recipient_id.in_(ids))
    ).rowcount


def _is_valid(recipient: Recipient, now: int) -> ColumnElement[bool]:
    return (
        (one_time_codes.c.recipient_id == recipient.id)
        & (one_time_codes.c.tries < TRIES)
        & (one_time_codes.c.expires > now)
        # A code from a clock that was ahead would be valid for longer than LIFE.
        & (one_time_codes.c.created <= now)
    )
