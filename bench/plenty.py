"""Create millions of shares in SQL, each with a link and a lease."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Bookings per share.
BOOKINGS = 10
#: Real ids are random, so these are not in the order of the rows.
_SHARES = (
    """
    WITH RECURSIVE numbers(number) AS (
        SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < :count
    )
    INSERT INTO shares (id, title, message, lang, max_downloads, created)
    SELECT printf('%012d', (number * 2654435761) % 4294967296), '', '', '', 1, 1
    FROM numbers
    """,
    """
    INSERT INTO share_items (share_id, number, path, name)
    SELECT id, 1, 'reports/q3.pdf', 'q3.pdf' FROM shares
    """,
    """
    INSERT INTO recipients (id, share_id, position, code_id, address, label, created)
    SELECT id, id, 1, '0000' || id, '', '', 1 FROM shares
    """,
    """
    INSERT INTO leases (id, recipient_id, created, expires, agent, network)
    SELECT '0000' || id, id, 1, 1 << 40, '', '' FROM recipients
    """,
)
#: A running GET for each lease.
_BEGUN = """
    INSERT INTO lease_requests (id, lease_id, gateway, run, since)
    SELECT printf('%032d', id), id, 'g', 'r', 1 FROM leases
"""
#: Bookings that have spent each lease.
_BOOKED = (
    """
    WITH RECURSIVE paths(path) AS (
        SELECT 0 UNION ALL SELECT path + 1 FROM paths WHERE path + 1 < :bookings
    )
    INSERT INTO bookings
    SELECT recipients.id || printf('%020d', path), recipients.id,
           '0000' || recipients.id, 1, path, 1, 5, 5, 5, '0-5', 1, 1, 1, '', ''
    FROM recipients, paths ORDER BY recipients.id, path
    """,
    "UPDATE leases SET begun = 1, spent = 1",
    "UPDATE recipients SET begun = 1, taken = 1, sent = 5 * :bookings",
)
_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000")


def lease_id(number: int) -> str:
    """Return the id of the lease of share *number*."""
    return f"{number * 2654435761 % 4294967296:016}"


def recipient_id(number: int) -> str:
    """Return the id of share *number*, and of its recipient."""
    return lease_id(number)[4:]


def request_id(number: int) -> str:
    """Return nginx's request id of the running GET of lease *number*."""
    return f"{lease_id(number):0>32}"


def begun(catalog: Path, count: int) -> None:
    """Create *count* shares for one download, which is running."""
    _fill(catalog, count, *_SHARES, _BEGUN)


def booked(catalog: Path, count: int) -> None:
    """Create *count* shares whose only download is over, each with BOOKINGS."""
    _fill(catalog, count, *_SHARES, *_BOOKED)


def _fill(catalog: Path, count: int, *statements: str) -> None:
    """Fill a SQLite catalog; no other process may have it open."""
    numbers = {"count": count, "bookings": BOOKINGS}
    with closing(sqlite3.connect(catalog)) as connection:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        for statement in statements:
            connection.execute(statement, numbers)
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")
