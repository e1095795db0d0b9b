"""Tries of passwords, slowed so that nobody can guess on; no account is ever closed.

A try counts before the password is looked at: parallel ones can't all slip through.
The right password gives its try back.  The more tries a subject has had, the longer
the next one has to wait, up to a bound: ``docs/security.md`` has the arithmetic.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.catalog.schema import login_attempts
from gateway.errors import TooManyAttemptsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

#: Seconds after its last try from which a subject's tries are forgotten.
MEMORY: Final = 86_400
_MAXIMUM_DOUBLINGS: Final = 16


@dataclass(frozen=True)
class Pace:
    """How fast tries may follow each other; times are in seconds.

    The first *free* tries wait for nothing, the next one *first*, each further one
    twice as long, *most* at last.
    """

    free: int
    first: int
    most: int

    def wait(self, count: int) -> int:
        """Return how long after the last of *count* tries the next one may come."""
        if count < self.free:
            return 0
        return min(self.first << min(count - self.free, _MAXIMUM_DOUBLINGS), self.most)


#: A browser that has logged in to the account before.
BROWSER: Final = Pace(free=5, first=2, most=900)
#: Any other browser of a network, for one account.
NETWORK: Final = Pace(free=5, first=2, most=900)
#: All other browsers together, for one account: slowed and never locked.
ACCOUNT: Final = Pace(free=20, first=1, most=15)
#: All other browsers of one address, whatever the accounts.
ADDRESS: Final = Pace(free=50, first=2, most=60)


@dataclass(frozen=True)
class Subject:
    """What tries are counted by, and at which pace they may come."""

    key: str
    pace: Pace


def account(user_id: int | None, name: str) -> str:
    """Return the key of an account's subjects, which begin with it.

    For an account that exists that is the user's id: what was tried under the name
    before there was such a user does not count.  Of other names only a digest is
    stored: what people type in the place of a name is at times their password.
    """
    return f"name:{_digest(name)}" if user_id is None else f"user:{user_id}"


def by_account(account: str) -> Subject:
    """Return the subject of all unknown browsers of an account."""
    return Subject(f"{account}:", ACCOUNT)


def by_network(account: str, network: str) -> Subject:
    """Return the subject of a network's unknown browsers and an account."""
    return Subject(f"{account}:network:{_digest(network)}", NETWORK)


def by_browser(account: str, browser: str) -> Subject:
    """Return the subject of a known browser and its account."""
    return Subject(f"{account}:browser:{_digest(browser)}", BROWSER)


def by_address(address: str) -> Subject:
    """Return the subject of one address, whatever the accounts."""
    return Subject(f"address:{_digest(address)}", ADDRESS)


def by_link(recipient_id: str, network: str) -> Subject:
    """Return the subject of one share link's password and one network."""
    return Subject(f"link:{recipient_id}:network:{_digest(network)}", NETWORK)


def spend(connection: Connection, subjects: Iterable[Subject], *, now: int) -> None:
    """Count one try of each subject.

    Raise TooManyAttemptsError if it comes too early for one of them; then it is counted
    for none.  *connection* is in a write transaction, alone.
    """
    counts: dict[str, int] = {}
    wait = 0
    for subject in subjects:
        row = connection.execute(
            select(login_attempts.c.count.label("tried"), login_attempts.c.since).where(
                login_attempts.c.subject == subject.key
            )
        ).one_or_none()
        count = 0
        if row is not None and now < row.since + MEMORY:
            count = row.tried
            wait = max(wait, row.since + subject.pace.wait(count) - now)
        counts[subject.key] = count + 1
    if wait > 0:
        raise TooManyAttemptsError(wait)
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    for key, count in counts.items():
        connection.execute(
            insert(login_attempts)
            .values(subject=key, count=count, since=now)
            .on_conflict_do_update(
                index_elements=[login_attempts.c.subject],
                set_={"count": count, "since": now},
            )
        )


def give_back(connection: Connection, subject: Subject) -> None:
    """Count one try less: it was a good one."""
    connection.execute(
        update(login_attempts)
        .where(login_attempts.c.subject == subject.key, login_attempts.c.count > 0)
        .values(count=login_attempts.c.count - 1)
    )


def clear(connection: Connection, subject: Subject) -> None:
    """Forget a subject's tries."""
    connection.execute(
        delete(login_attempts).where(login_attempts.c.subject == subject.key)
    )


def clear_user(connection: Connection, user_id: int) -> int:
    """Forget all tries of a user's account; return of how many subjects."""
    prefix = f"{account(user_id, '')}:"
    return connection.execute(
        delete(login_attempts).where(
            login_attempts.c.subject.startswith(prefix, autoescape=True)
        )
    ).rowcount


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
