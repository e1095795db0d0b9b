"""Queries of housekeeping and fsck: expired rows, blobs in use, byte counts."""

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
    """A user's bytes: ``users.stored_bytes``, and the actual sum of their uploads."""

    user_id: int
    name: str
    recorded: int
    actual: int


def remove_due(connection: Connection, *, now: int, limit: int) -> list[Upload]:
    """Delete the rows of due uploads; return the uploads to delete their blobs."""
    query = select(uploads).where(uploads.c.delete_after <= now).limit(limit)
    due = _all(connection, query)
    for upload in due:
        remove_upload(connection, upload)
    return due


def remove_if_expired(connection: Connection, session_id: str, *, now: int) -> bool:
    """Delete an upload session and its reservation, if the session has expired.

    Return whether it was deleted: it may have been extended in the meantime.
    """
    deleted = connection.execute(
        delete(upload_sessions).where(
            upload_sessions.c.id == session_id, upload_sessions.c.expires <= now
        )
    )
    if deleted.rowcount:
        release(connection, session_id)
    return bool(deleted.rowcount)


def remove_expired_reservations(connection: Connection, *, now: int, limit: int) -> int:
    """Delete reservations that were never used; return their number."""
    return _delete(
        connection, reservations.c.id, reservations.c.expires <= now, limit=limit
    )


def clear_active_requests(connection: Connection, gateway: str | None = None) -> None:
    """End the upload requests in progress of one gateway, or of all gateways.

    Upload sessions keep their reservations.
    """
    is_of_gateway = true() if gateway is None else reservations.c.gateway == gateway
    ids = select(reservations.c.id).where(is_of_gateway)
    connection.execute(
        delete(reservations).where(
            is_of_gateway, reservations.c.id.not_in(select(upload_sessions.c.id))
        )
    )
    connection.execute(
        update(upload_sessions)
        .where(upload_sessions.c.active_request != "", upload_sessions.c.id.in_(ids))
        .values(active_request="")
    )


def remove_expired_login_sessions(
    connection: Connection, *, now: int, limit: int
) -> int:
    """Delete expired login sessions; return their number."""
    return _delete(
        connection, login_sessions.c.id, login_sessions.c.expires <= now, limit=limit
    )


def remove_old_login_attempts(
    connection: Connection, *, before: int, limit: int
) -> int:
    """Delete counters without login attempts after *before*; return their number."""
    return _delete(
        connection,
        login_attempts.c.subject,
        login_attempts.c.since <= before,
        limit=limit,
    )


def remove_old_revocations(connection: Connection, *, now: int, limit: int) -> int:
    """Delete revocations whose revoked links have all expired; return their number."""
    return _delete(
        connection, revocations.c.subject, revocations.c.keep_until <= now, limit=limit
    )


def without_digest(
    connection: Connection, *, after: tuple[int, str] | None, limit: int
) -> list[Upload]:
    """Return uploads without a digest, oldest first.

    *after* is the ``created`` and ``id`` of the last upload on the previous page.
    """
    position = tuple_(uploads.c.created, uploads.c.id)
    query = select(uploads).where(uploads.c.sha256.is_(None))
    if after is not None:
        query = query.where(position > after)
    return _all(
        connection, query.order_by(uploads.c.created, uploads.c.id).limit(limit)
    )


def note_digest(connection: Connection, upload: Upload, sha256: bytes) -> None:
    """Store the digest of an upload's content, unless it has one."""
    connection.execute(
        update(uploads)
        .where(uploads.c.id == upload.id, uploads.c.sha256.is_(None))
        .values(sha256=sha256)
    )


def page(connection: Connection, *, after: str, limit: int) -> list[Upload]:
    """Return uploads sorted by id, after the id *after*, which may be empty."""
    query = select(uploads).where(uploads.c.id > after).order_by(uploads.c.id)
    return _all(connection, query.limit(limit))


def named_blobs(connection: Connection, blobs: Collection[str]) -> set[str]:
    """Return the paths in *blobs* that belong to an upload."""
    query = select(uploads.c.blob).where(uploads.c.blob.in_(blobs))
    return set(connection.execute(query).scalars())


def unfinished_session_ids(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return the ids in *ids* of unfinished upload sessions; others need no file."""
    query = select(upload_sessions.c.id).where(
        upload_sessions.c.id.in_(ids), upload_sessions.c.upload_id.is_(None)
    )
    return set(connection.execute(query).scalars())


def counts(connection: Connection) -> list[Count]:
    """Return each user's bytes: the recorded count, and the actual sum."""
    total = func.coalesce(func.sum(uploads.c.size), 0)
    query = (
        select(users.c.id, users.c.name, users.c.stored_bytes, total)
        .outerjoin(uploads, uploads.c.owner_id == users.c.id)
        .group_by(users.c.id, users.c.name, users.c.stored_bytes)
        .order_by(users.c.id)
    )
    return [
        Count(user_id, name, recorded, int(actual))
        for user_id, name, recorded, actual in connection.execute(query)
    ]


def total(connection: Connection) -> int:
    """Return the recorded bytes of all uploads."""
    stored: int = connection.execute(select(totals.c.stored_bytes)).scalar_one()
    return stored


def drop_counts(connection: Connection) -> list[tuple[str, tuple[int, int]]]:
    """Return drop links whose recorded bytes are wrong: id, (recorded, actual)."""
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
    """Return recipients whose recorded downloads or sent bytes are wrong.

    The values are: id, (recorded, actual) spent leases, (recorded, actual) sent bytes.
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
    """Set all recorded counts to the sums of the rows.

    These are the bytes of users and drop links, the total, and the downloads and sent
    bytes of recipients.
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
    user_counts = counts(connection)
    for count in user_counts:
        if count.recorded != count.actual:
            connection.execute(
                update(users)
                .where(users.c.id == count.user_id)
                .values(stored_bytes=count.actual)
            )
    connection.execute(
        update(totals).values(stored_bytes=sum(count.actual for count in user_counts))
    )


def _delete(
    connection: Connection,
    key: Column[str],
    condition: ColumnElement[bool],
    *,
    limit: int,
) -> int:
    keys = select(key).where(condition).limit(limit)
    statement = delete(key.table).where(key.in_(keys), condition)
    return connection.execute(statement).rowcount


def _all(connection: Connection, query: Select[tuple[object, ...]]) -> list[Upload]:
    return [Upload(**row._asdict()) for row in connection.execute(query)]
