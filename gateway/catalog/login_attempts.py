"""Password attempts, rate-limited against guessing; accounts are never locked.

An attempt is counted before the password is checked: parallel attempts can't evade the
limit.  A correct password gives its attempt back.  The more attempts a counter has, the
longer the next attempt must wait, up to a bound: ``docs/security.md`` has the numbers.
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

#: Seconds after the last attempt from which a counter starts at 0 again.
MEMORY: Final = 86_400
_MAXIMUM_DOUBLINGS: Final = 16


@dataclass(frozen=True)
class Pace:
    """The waiting time between attempts, in seconds.

    The first *free* attempts need not wait.  The next attempt waits *first*, and each
    further attempt twice as long as the attempt before, but at most *most*.
    """

    free: int
    first: int
    most: int

    def wait(self, count: int) -> int:
        """Return the seconds between the last of *count* attempts and the next one."""
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
class Counter:
    """A counter of attempts: its key, and the pace at which attempts are allowed."""

    key: str
    pace: Pace


def account(user_id: int | None, name: str) -> str:
    """Return the prefix of the keys of an account's counters.

    For an existing account it contains the user's id: attempts under the name before
    the user was created do not count.  For other names it contains a digest: people
    sometimes type their password into the name field.
    """
    return f"name:{_digest(name)}" if user_id is None else f"user:{user_id}"


def by_account(account: str) -> Counter:
    """Return the counter of an account's unknown browsers."""
    return Counter(f"{account}:", ACCOUNT)


def by_network(account: str, network: str) -> Counter:
    """Return the counter of an account's unknown browsers in one network."""
    return Counter(f"{account}:network:{_digest(network)}", NETWORK)


def by_browser(account: str, browser: str) -> Counter:
    """Return the counter of an account's known browser."""
    return Counter(f"{account}:browser:{_digest(browser)}", BROWSER)


def by_address(address: str) -> Counter:
    """Return the counter of one address, for all accounts."""
    return Counter(f"address:{_digest(address)}", ADDRESS)


def by_link(recipient_id: str, network: str) -> Counter:
    """Return the counter of a share link's password attempts from one network."""
    return Counter(f"link:{recipient_id}:network:{_digest(network)}", NETWORK)


def spend(connection: Connection, counters: Iterable[Counter], *, now: int) -> None:
    """Count one attempt in each counter.

    Raise TooManyAttemptsError if any counter requires a wait; then nothing is counted.
    *connection* is in a write transaction that excludes other writers.
    """
    counts: dict[str, int] = {}
    wait = 0
    for counter in counters:
        row = connection.execute(
            select(
                login_attempts.c.count.label("attempts"), login_attempts.c.since
            ).where(login_attempts.c.subject == counter.key)
        ).one_or_none()
        count = 0
        if row is not None and now < row.since + MEMORY:
            count = row.attempts
            pause = counter.pace.wait(count)
            # (!) The last attempt may have been at a gateway whose clock is ahead: a
            #     free attempt does not wait for it.
            if pause:
                wait = max(wait, row.since + pause - now)
        counts[counter.key] = count + 1
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


def give_back(connection: Connection, counter: Counter) -> None:
    """Subtract one attempt from a counter: its password was correct."""
    connection.execute(
        update(login_attempts)
        .where(login_attempts.c.subject == counter.key, login_attempts.c.count > 0)
        .values(count=login_attempts.c.count - 1)
    )


def clear(connection: Connection, counter: Counter) -> None:
    """Delete a counter's attempts."""
    connection.execute(
        delete(login_attempts).where(login_attempts.c.subject == counter.key)
    )


def clear_user(connection: Connection, user_id: int) -> int:
    """Delete all counters of a user's account; return their number."""
    prefix = f"{account(user_id, '')}:"
    return connection.execute(
        delete(login_attempts).where(
            login_attempts.c.subject.startswith(prefix, autoescape=True)
        )
    ).rowcount


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
