"""What time has made void, and what housekeeping and fsck compare with the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, true, tuple_, update

from gateway.catalog.schema import (
    bookings,
    drops,
    leases,
    login_attempts,
    login_sessions,
    recipients,
    reservations,
    revocations,
    totals,
    upload_sessions,
    uploads,
    users,
)
from gateway.catalog.uploads import Upload, release
from gateway.catalog.uploads import remove as remove_upload

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Column, ColumnElement, Connection, Select


@dataclass(frozen=True)
class Count:
    """A user's bytes: as they are kept, and as they add up."""

    user_id: int
    name: str
    kept: int
    true: int


def remove_due(connection: Connection, *, now: int, limit: int) -> list[Upload]:
    """Strike out uploads whose time is over; their blobs are the caller's."""
    query = select(uploads).where(uploads.c.delete_after <= now).limit(limit)
    due = _all(connection, query)
    for upload in due:
        remove_upload(connection, upload)
    return due


def remove_if_expired(connection: Connection, session_id: str, *, now: int) -> bool:
    """Strike an unfinished upload out, with its reservation; tell whether it was.

    One that was heard of meanwhile stays.
    """
    gone = connection.execute(
        delete(upload_sessions).where(
            upload_sessions.c.id == session_id, upload_sessions.c.expires <= now
        )
    )
    if gone.rowcount:
        release(connection, session_id)
    return bool(gone.rowcount)


def remove_expired_reservations(connection: Connection, *, now: int, limit: int) -> int:
    """Forget room that was reserved and never used; return for how many."""
    return _delete(
        connection, reservations.c.id, reservations.c.expires <= now, limit=limit
    )


def end_what_ran(connection: Connection, gateway: str | None = None) -> None:
    """Forget which requests are on their way, by that gateway or by any.

    What is unfinished keeps its room.
    """
    is_its_own = true() if gateway is None else reservations.c.gateway == gateway
    its_own = select(reservations.c.id).where(is_its_own)
    connection.execute(
        delete(reservations).where(
            is_its_own, reservations.c.id.not_in(select(upload_sessions.c.id))
        )
    )
    connection.execute(
        update(upload_sessions)
        .where(
            upload_sessions.c.active_request != "", upload_sessions.c.id.in_(its_own)
        )
        .values(active_request="")
    )


def remove_old_sessions(connection: Connection, *, now: int, limit: int) -> int:
    """Forget sessions that are over; return how many."""
    return _delete(
        connection, login_sessions.c.id, login_sessions.c.expires <= now, limit=limit
    )


def remove_old_tries(connection: Connection, *, before: int, limit: int) -> int:
    """Forget tries of passwords, the last until then; return of how many subjects."""
    return _delete(
        connection,
        login_attempts.c.subject,
        login_attempts.c.since <= before,
        limit=limit,
    )


def remove_old_revocations(connection: Connection, *, now: int, limit: int) -> int:
    """Forget revocations whose last link has expired by itself; return how many."""
    return _delete(
        connection, revocations.c.subject, revocations.c.keep_until <= now, limit=limit
    )


def without_digest(
    connection: Connection, *, after: tuple[int, str] | None, limit: int
) -> list[Upload]:
    """Return some uploads whose digest nobody knows, the oldest first.

    *after* is the ``created`` and ``id`` of the last one of the page before.
    """
    age = tuple_(uploads.c.created, uploads.c.id)
    query = select(uploads).where(uploads.c.sha256.is_(None))
    if after is not None:
        query = query.where(age > after)
    return _all(
        connection, query.order_by(uploads.c.created, uploads.c.id).limit(limit)
    )


def note_digest(connection: Connection, upload: Upload, sha256: bytes) -> None:
    """Write down what an upload's content is."""
    connection.execute(
        update(uploads)
        .where(uploads.c.id == upload.id, uploads.c.sha256.is_(None))
        .values(sha256=sha256)
    )


def page(connection: Connection, *, after: str, limit: int) -> list[Upload]:
    """Return uploads by id, those beyond *after*; an empty text is the beginning."""
    query = select(uploads).where(uploads.c.id > after).order_by(uploads.c.id)
    return _all(connection, query.limit(limit))


def named_blobs(connection: Connection, blobs: Collection[str]) -> set[str]:
    """Return those of *blobs* that uploads name."""
    query = select(uploads.c.blob).where(uploads.c.blob.in_(blobs))
    return set(connection.execute(query).scalars())


def named_partials(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of *ids* that unfinished uploads have; finished ones have a blob."""
    query = select(upload_sessions.c.id).where(
        upload_sessions.c.id.in_(ids), upload_sessions.c.upload_id.is_(None)
    )
    return set(connection.execute(query).scalars())


def counts(connection: Connection) -> list[Count]:
    """Return every user's bytes, kept and true."""
    total = func.coalesce(func.sum(uploads.c.size), 0)
    query = (
        select(users.c.id, users.c.name, users.c.stored_bytes, total)
        .outerjoin(uploads, uploads.c.owner_id == users.c.id)
        .group_by(users.c.id, users.c.name, users.c.stored_bytes)
        .order_by(users.c.id)
    )
    return [
        Count(user_id, name, kept, int(true))
        for user_id, name, kept, true in connection.execute(query)
    ]


def total(connection: Connection) -> int:
    """Return the bytes of all uploads as they are kept."""
    kept: int = connection.execute(select(totals.c.stored_bytes)).scalar_one()
    return kept


def drop_counts(connection: Connection) -> list[tuple[str, tuple[int, int]]]:
    """Return the ids of drop links whose bytes are wrong: as kept, and true."""
    total = func.coalesce(func.sum(uploads.c.size), 0)
    query = (
        select(drops.c.id, drops.c.stored_bytes, total)
        .outerjoin(uploads, uploads.c.drop_id == drops.c.id)
        .group_by(drops.c.id, drops.c.stored_bytes)
        .having(drops.c.stored_bytes != total)
        .order_by(drops.c.id)
    )
    return [(row[0], (row[1], int(row[2]))) for row in connection.execute(query)]


def recipient_counts(
    connection: Connection,
) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Return the ids of recipients whose downloads or bytes are wrong.

    Each with the downloads that are taken, as kept and true, and the bytes likewise.
    """
    taken = (
        select(func.count())
        .where(leases.c.recipient_id == recipients.c.id, leases.c.spent.is_not(None))
        .scalar_subquery()
    )
    sent = (
        select(func.coalesce(func.sum(bookings.c.sent), 0))
        .where(bookings.c.recipient_id == recipients.c.id)
        .scalar_subquery()
    )
    query = (
        select(recipients.c.id, recipients.c.taken, taken, recipients.c.sent, sent)
        .where((recipients.c.taken != taken) | (recipients.c.sent != sent))
        .order_by(recipients.c.id)
    )
    return [
        (row[0], (row[1], int(row[2])), (row[3], int(row[4])))
        for row in connection.execute(query)
    ]


def recount(connection: Connection) -> None:
    """Make every user's and drop link's bytes, and the total, what they add up to.

    And of every recipient the downloads and bytes.
    """
    for drop_id, (_, stored) in drop_counts(connection):
        connection.execute(
            update(drops).where(drops.c.id == drop_id).values(stored_bytes=stored)
        )
    for recipient_id, (_, taken), (_, sent) in recipient_counts(connection):
        connection.execute(
            update(recipients)
            .where(recipients.c.id == recipient_id)
            .values(taken=taken, sent=sent)
        )
    found = counts(connection)
    for count in found:
        if count.kept != count.true:
            connection.execute(
                update(users)
                .where(users.c.id == count.user_id)
                .values(stored_bytes=count.true)
            )
    connection.execute(
        update(totals).values(stored_bytes=sum(count.true for count in found))
    )


def _delete(
    connection: Connection,
    key: Column[str],
    is_over: ColumnElement[bool],
    *,
    limit: int,
) -> int:
    some = select(key).where(is_over).limit(limit)
    statement = delete(key.table).where(key.in_(some), is_over)
    return connection.execute(statement).rowcount


def _all(connection: Connection, query: Select[tuple[object, ...]]) -> list[Upload]:
    return [Upload(**row._asdict()) for row in connection.execute(query)]
