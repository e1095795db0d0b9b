"""The ledger's books: what was sent, and how far its files are booked."""

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

#: Values in one IN (...).
_IN: Final = 500
_T = TypeVar("_T")
_DAY: Final = 86_400


class File(NamedTuple):
    """What a booking is of; ``lease_id`` is empty for a share link itself."""

    recipient_id: str
    lease_id: str
    item: int
    path: str

    @property
    def id(self) -> str:
        """The row's key."""
        return hashlib.sha256("\0".join(map(str, self)).encode()).hexdigest()[:32]


@dataclass
class Booking:
    """What was sent of a file: a row, with the columns' meanings."""

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
    """What lines of the ledger change beside bookings.

    ``spent`` are leases that sent bytes, each with the second; ``scanned`` those of
    them that a scanner used; ``over`` are nginx's ids of requests that had begun a
    counted download; ``keys`` count verdicts on signed URLs by key and day.
    """

    spent: dict[str, int] = field(default_factory=dict)
    scanned: set[str] = field(default_factory=set)
    over: list[str] = field(default_factory=list)
    keys: dict[tuple[str, int], int] = field(default_factory=dict)


def offset(connection: Connection, file_id: str) -> int:
    """Return up to which byte a file is booked."""
    query = select(ledger_files.c.offset).where(ledger_files.c.id == file_id)
    return connection.execute(query).scalar() or 0


def note_offset(connection: Connection, file_id: str, offset: int) -> None:
    """Write down up to which byte a file is booked."""
    row = {"id": file_id, "offset": offset}
    _upsert(connection, ledger_files, [row], "offset")


def forget_file(connection: Connection, file_id: str) -> None:
    """Forget a file that was deleted.

    (!) For good: one that came back would be booked once more.
    """
    connection.execute(delete(ledger_files).where(ledger_files.c.id == file_id))


def known(connection: Connection, files: Collection[File]) -> dict[File, Booking]:
    """Return those of these bookings that there are."""
    by_id = {file.id: file for file in files}
    columns = [bookings.c[name] for name in Booking.__dataclass_fields__]
    found = {}
    for ids in _chunks(list(by_id)):
        query = select(bookings.c.id, *columns).where(bookings.c.id.in_(ids))
        for file_id, *values in connection.execute(query):
            found[by_id[file_id]] = Booking(*values)
    return found


def there(connection: Connection, recipient_ids: Iterable[str]) -> set[str]:
    """Return those of these recipients that are not deleted."""
    found: set[str] = set()
    for some in _chunks(sorted(set(recipient_ids))):
        query = select(recipients.c.id).where(recipients.c.id.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def write(
    connection: Connection, new: dict[File, Booking], changed: dict[File, Booking]
) -> None:
    """Write bookings down: *new* ones, and others in place of those that are known."""
    if new:
        rows = [
            {"id": file.id, **file._asdict(), **vars(each)}
            for file, each in new.items()
        ]
        connection.execute(insert(bookings), rows)
    if changed:
        names = Booking.__dataclass_fields__
        connection.execute(
            update(bookings)
            .where(bookings.c.id == bindparam("file"))
            .values({name: bindparam(name) for name in names}),
            [{"file": file.id, **vars(each)} for file, each in changed.items()],
        )


def add_sent(connection: Connection, sent: dict[str, int]) -> None:
    """Count bytes as sent to recipients."""
    rows = [{"of": one, "bytes": count} for one, count in sent.items() if count]
    if rows:
        connection.execute(
            update(recipients)
            .where(recipients.c.id == bindparam("of"))
            .values(sent=recipients.c.sent + bindparam("bytes")),
            rows,
        )


def apply(connection: Connection, effects: Effects, *, gateway: str, now: int) -> None:
    """Let leases be spent or reserved again, and count keys.

    A request that has not begun here yet never will.
    """
    for some in _chunks(list(effects.spent.items())):
        leases.spend(connection, dict(some), scanned=effects.scanned)
    for ids in _chunks(effects.over):
        gone = connection.execute(
            delete(lease_requests)
            .where(lease_requests.c.id.in_(ids))
            .returning(lease_requests.c.id)
        ).scalars()
        early = set(ids) - set(gone)
        if early:
            connection.execute(
                insert(lease_requests),
                [
                    {"id": one, "gateway": gateway, "run": "", "since": now}
                    for one in sorted(early)
                ],
            )
    if effects.keys:
        rows = [
            {"key_id": key, "day": day, "count": count}
            for (key, day), count in effects.keys.items()
        ]
        _upsert(connection, key_uses, rows, "count", is_sum=True)


def runs(connection: Connection, gateway: str) -> set[str]:
    """Return in which starts of a gateway's nginx requests began that are not over."""
    query = (
        select(lease_requests.c.run)
        .where(
            lease_requests.c.gateway == gateway, lease_requests.c.lease_id.is_not(None)
        )
        .distinct()
    )
    return set(connection.execute(query).scalars())


def end_runs(connection: Connection, gateway: str, runs: Collection[str]) -> int:
    """End the requests of these starts of a gateway's nginx; return how many."""
    return connection.execute(
        delete(lease_requests).where(
            lease_requests.c.gateway == gateway,
            lease_requests.c.run.in_(runs),
            lease_requests.c.lease_id.is_not(None),
        )
    ).rowcount


def remove_old_uses(connection: Connection, *, before: int, limit: int) -> int:
    """Forget which keys were used before the day of that second; return how many.

    *limit* bounds nothing: there are as many in a day as there are keys.
    """
    del limit
    old = key_uses.c.day < before // _DAY
    return connection.execute(delete(key_uses).where(old)).rowcount


def remove_early(connection: Connection, *, before: int, limit: int) -> int:
    """Forget requests that ended before they began, until that second."""
    some = (
        select(lease_requests.c.id)
        .where(lease_requests.c.lease_id.is_(None), lease_requests.c.since < before)
        .limit(limit)
    )
    return connection.execute(
        delete(lease_requests).where(lease_requests.c.id.in_(some))
    ).rowcount


def remove_lost(connection: Connection, *, before: int, limit: int) -> int:
    """Forget requests since before that second: nobody will tell their end any more.

    A worker of nginx had them that was killed alone.
    """
    some = (
        select(lease_requests.c.id).where(lease_requests.c.since < before).limit(limit)
    )
    return connection.execute(
        delete(lease_requests).where(lease_requests.c.id.in_(some))
    ).rowcount


class Progress(NamedTuple):
    """How far a recipient has come with one file: by the lease that has most of it."""

    item: int
    path: str
    size: int
    covered: int
    is_whole: bool


class Row(NamedTuple):
    """A booking with its recipient and lease, as an export has it."""

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
    """Return for each recipient of shares to whom something was sent how far it is."""
    query = (
        select(
            bookings.c.recipient_id,
            bookings.c.item,
            bookings.c.path,
            func.max(bookings.c.size),
            func.max(bookings.c.covered),
            # No database takes the greatest of truths.
            func.max(case((bookings.c.is_whole, 1), else_=0)),
        )
        .join(recipients, recipients.c.id == bookings.c.recipient_id)
        .where(recipients.c.share_id.in_(share_ids))
        .group_by(bookings.c.recipient_id, bookings.c.item, bookings.c.path)
    )
    found: dict[str, list[Progress]] = {}
    for recipient_id, item, path, size, covered, is_whole in connection.execute(query):
        one = Progress(item, path, size, covered, bool(is_whole))
        found.setdefault(recipient_id, []).append(one)
    return found


def of_share(connection: Connection, share_id: str) -> Iterator[Row]:
    """Return what was sent of a share, by recipients and the time of the first byte."""
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
    """Return of each key that was asked about the last day, and how often in all."""
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
    """Write rows; of those that are there this column alone, or add to it."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = dialect.insert(table)
    fresh = statement.excluded[name]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: table.c[name] + fresh if is_sum else fresh},
        ),
        rows,
    )


def _chunks(values: Sequence[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(values), _IN):
        yield list(values[start : start + _IN])
