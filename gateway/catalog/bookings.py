"""The ledger's bookings: what nginx sent, and how far each ledger file is booked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from sqlalchemy import bindparam, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.catalog import leases
from gateway.catalog.schema import (
    bookings,
    key_uses,
    lease_requests,
    ledger_files,
    recipients,
    share_items,
)
from gateway.catalog.schema import leases as leases_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

#: Maximum number of values in one IN (...).
_IN: Final = 500
_T = TypeVar("_T")
_DAY: Final = 86_400


class File(NamedTuple):
    """A file as bookings name it; ``lease_id`` is empty for a GET without a lease."""

    recipient_id: str
    lease_id: str
    item: int
    path: str

    @property
    def id(self) -> str:
        """The primary key of the booking's row."""
        return hashlib.sha256("\0".join(map(str, self)).encode()).hexdigest()[:32]


@dataclass
class Booking:
    """The sums of a file's deliveries; the fields are the columns of the table."""

    requests: int
    sent: int
    size: int
    covered: int
    ranges: str
    is_whole: bool
    first: int
    last: int
    agent: str
    address: str


@dataclass(frozen=True)
class Effects:
    """The effects of ledger lines besides the bookings.

    ``spent`` maps leases that sent bytes to the second they were spent; ``scanned``
    holds the spent leases that a scanner used; ``over`` holds nginx's ids of ended
    requests for counted downloads; ``keys`` counts verdicts on signed URLs by key and
    day.
    """

    spent: dict[str, int] = field(default_factory=dict)
    scanned: set[str] = field(default_factory=set)
    over: list[str] = field(default_factory=list)
    keys: dict[tuple[str, int], int] = field(default_factory=dict)


def offset(connection: Connection, file_id: str) -> int:
    """Return the number of bytes of a ledger file that are booked."""
    query = select(ledger_files.c.offset).where(ledger_files.c.id == file_id)
    return connection.execute(query).scalar() or 0


def set_offset(connection: Connection, file_id: str, offset: int) -> None:
    """Store the number of bytes of a ledger file that are booked."""
    row = {"id": file_id, "offset": offset}
    _upsert(connection, ledger_files, [row], "offset")


def delete_file(connection: Connection, file_id: str) -> None:
    """Delete the offset of a ledger file that was deleted.

    (!) The file must be deleted durably: if it came back, it would be booked twice.
    """
    connection.execute(delete(ledger_files).where(ledger_files.c.id == file_id))


def existing(connection: Connection, files: Collection[File]) -> dict[File, Booking]:
    """Return the bookings that exist for *files*."""
    by_id = {file.id: file for file in files}
    columns = [bookings.c[name] for name in Booking.__dataclass_fields__]
    existing = {}
    for ids in _batches(list(by_id)):
        query = select(bookings.c.id, *columns).where(bookings.c.id.in_(ids))
        for file_id, *values in connection.execute(query):
            existing[by_id[file_id]] = Booking(*values)
    return existing


def existing_recipients(
    connection: Connection, recipient_ids: Iterable[str]
) -> set[str]:
    """Return the ids in *recipient_ids* whose recipients exist."""
    existing: set[str] = set()
    for batch in _batches(sorted(set(recipient_ids))):
        query = select(recipients.c.id).where(recipients.c.id.in_(batch))
        existing.update(connection.execute(query).scalars())
    return existing


def write(
    connection: Connection, new: dict[File, Booking], changed: dict[File, Booking]
) -> None:
    """Insert the *new* bookings and update the *changed* bookings."""
    if new:
        rows = [
            {"id": file.id, **file._asdict(), **vars(booking)}
            for file, booking in new.items()
        ]
        connection.execute(insert(bookings), rows)
    if changed:
        names = Booking.__dataclass_fields__
        connection.execute(
            update(bookings)
            .where(bookings.c.id == bindparam("file"))
            .values({name: bindparam(name) for name in names}),
            [{"file": file.id, **vars(booking)} for file, booking in changed.items()],
        )


def add_sent(connection: Connection, sent: dict[str, int]) -> None:
    """Add bytes to the recipients' sent bytes; *sent* maps recipient ids to bytes."""
    rows = [
        {"recipient": recipient_id, "bytes": count}
        for recipient_id, count in sent.items()
        if count
    ]
    if rows:
        connection.execute(
            update(recipients)
            .where(recipients.c.id == bindparam("recipient"))
            .values(sent=recipients.c.sent + bindparam("bytes")),
            rows,
        )


def apply(connection: Connection, effects: Effects, *, gateway: str, now: int) -> int:
    """Mark leases as spent, delete ended requests, and count uses of keys.

    If the start of an ended request is not recorded yet, a row without a lease is
    inserted, so that the start can't be recorded later.  Return the number of leases
    that were not spent before.
    """
    spent = 0
    for batch in _batches(list(effects.spent.items())):
        spent += leases.spend(connection, dict(batch), scanned=effects.scanned)
    for ids in _batches(effects.over):
        deleted = connection.execute(
            delete(lease_requests)
            .where(lease_requests.c.id.in_(ids))
            .returning(lease_requests.c.id)
        ).scalars()
        unrecorded = set(ids) - set(deleted)
        if unrecorded:
            connection.execute(
                insert(lease_requests),
                [
                    {"id": request_id, "gateway": gateway, "run": "", "since": now}
                    for request_id in sorted(unrecorded)
                ],
            )
    if effects.keys:
        rows = [
            {"key_id": key, "day": day, "count": count}
            for (key, day), count in effects.keys.items()
        ]
        _upsert(connection, key_uses, rows, "count", is_sum=True)
    return spent


def runs(connection: Connection, gateway: str) -> set[str]:
    """Return the runs (starts) of a gateway's nginx that have requests in progress."""
    query = (
        select(lease_requests.c.run)
        .where(
            lease_requests.c.gateway == gateway, lease_requests.c.lease_id.is_not(None)
        )
        .distinct()
    )
    return set(connection.execute(query).scalars())


def rename_gateway(connection: Connection, earlier: str, name: str) -> None:
    """Give the requests in progress of the gateway *earlier* to *name*."""
    connection.execute(
        update(lease_requests)
        .where(lease_requests.c.gateway == earlier)
        .values(gateway=name)
    )


def end_runs(connection: Connection, gateway: str, runs: Collection[str]) -> int:
    """Delete the requests of these runs of a gateway's nginx; return their number."""
    return connection.execute(
        delete(lease_requests).where(
            lease_requests.c.gateway == gateway,
            lease_requests.c.run.in_(runs),
            lease_requests.c.lease_id.is_not(None),
        )
    ).rowcount


def remove_old_uses(connection: Connection, *, before: int, limit: int) -> int:
    """Delete uses of keys before the day of the second *before*; return their number.

    *limit* is not used: a day has at most one row per key.
    """
    del limit
    old = key_uses.c.day < before // _DAY
    return connection.execute(delete(key_uses).where(old)).rowcount


def remove_early(connection: Connection, *, before: int, limit: int) -> int:
    """Delete requests before *before* with a booked end but no recorded start."""
    ids = (
        select(lease_requests.c.id)
        .where(lease_requests.c.lease_id.is_(None), lease_requests.c.since < before)
        .limit(limit)
    )
    return connection.execute(
        delete(lease_requests).where(lease_requests.c.id.in_(ids))
    ).rowcount


def remove_lost(connection: Connection, *, before: int, limit: int) -> int:
    """Delete requests that started before *before*: their end is never logged.

    Their nginx worker was killed while nginx itself continued to run.
    """
    ids = (
        select(lease_requests.c.id).where(lease_requests.c.since < before).limit(limit)
    )
    return connection.execute(
        delete(lease_requests).where(lease_requests.c.id.in_(ids))
    ).rowcount


class Progress(NamedTuple):
    """A recipient's progress with one file: the maximum over all leases."""

    item: int
    path: str
    size: int
    covered: int
    is_whole: bool


class Row(NamedTuple):
    """A booking with its recipient and lease: one row of an export."""

    recipient_id: str
    recipient: str
    label: str
    lease_id: str
    taken: int | None
    taken_by: str | None
    is_scanner: bool | None
    item: int
    name: str
    path: str
    size: int
    requests: int
    sent: int
    covered: int
    is_whole: bool
    first: int
    last: int
    agent: str
    address: str


def progress(
    connection: Connection, share_ids: Collection[str]
) -> dict[str, list[Progress]]:
    """Return the progress of all recipients of these shares who were sent bytes."""
    query = (
        select(
            bookings.c.recipient_id,
            bookings.c.item,
            bookings.c.path,
            func.max(bookings.c.size),
            func.max(bookings.c.covered),
            # max() does not take booleans.
            func.max(case((bookings.c.is_whole, 1), else_=0)),
        )
        .join(recipients, recipients.c.id == bookings.c.recipient_id)
        .where(recipients.c.share_id.in_(share_ids))
        .group_by(bookings.c.recipient_id, bookings.c.item, bookings.c.path)
    )
    by_recipient: dict[str, list[Progress]] = {}
    for recipient_id, item, path, size, covered, is_whole in connection.execute(query):
        by_recipient.setdefault(recipient_id, []).append(
            Progress(item, path, size, covered, bool(is_whole))
        )
    return by_recipient


def of_share(connection: Connection, share_id: str) -> Iterator[Row]:
    """Return the bookings of a share, by recipient and time of the first request."""
    query = (
        select(
            bookings.c.recipient_id,
            recipients.c.address,
            recipients.c.label,
            bookings.c.lease_id,
            leases_table.c.created,
            leases_table.c.agent,
            leases_table.c.is_scanner,
            bookings.c.item,
            share_items.c.name,
            bookings.c.path,
            bookings.c.size,
            bookings.c.requests,
            bookings.c.sent,
            bookings.c.covered,
            bookings.c.is_whole,
            bookings.c.first,
            bookings.c.last,
            bookings.c.agent,
            bookings.c.address,
        )
        .join(recipients, recipients.c.id == bookings.c.recipient_id)
        .join(
            share_items,
            (share_items.c.share_id == recipients.c.share_id)
            & (share_items.c.number == bookings.c.item),
        )
        .outerjoin(leases_table, leases_table.c.id == bookings.c.lease_id)
        .where(recipients.c.share_id == share_id)
        .order_by(recipients.c.position, bookings.c.first, bookings.c.id)
    )
    rows = connection.execution_options(yield_per=_IN).execute(query)
    return map(Row._make, rows)


def uses(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return the last day of use and the number of uses, by key id."""
    query = select(
        key_uses.c.key_id, func.max(key_uses.c.day), func.sum(key_uses.c.count)
    ).group_by(key_uses.c.key_id)
    return {key: (day, int(count)) for key, day, count in connection.execute(query)}


def _upsert(
    connection: Connection,
    table: Any,  # noqa: ANN401
    rows: list[dict[str, Any]],
    name: str,
    *,
    is_sum: bool = False,
) -> None:
    """Insert rows; if a row exists, replace the column *name*, or add to it."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = dialect.insert(table)
    value = statement.excluded[name]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: table.c[name] + value if is_sum else value},
        ),
        rows,
    )


def _batches(values: Sequence[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(values), _IN):
        yield list(values[start : start + _IN])
