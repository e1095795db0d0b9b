"""Upload sessions: resumable uploads that are not finished.

The size of a session's file in the store's folder ``upload-sessions`` is the number of
received bytes, even after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from gateway.catalog.schema import reservations, upload_sessions
from gateway.errors import RepeatedUploadError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


@dataclass(frozen=True, kw_only=True)
class UploadSession:
    """One upload session; ``size`` is None until the client sends Upload-Length.

    ``metadata`` and ``concat`` are tus's headers as the client sent them.
    ``active_request`` is the id of the request that is sending a chunk, or empty; it
    counts as running until ``active_request_expires``.  ``upload_id`` is set when the
    session has become an upload: a client that missed the last answer may still request
    its offset.
    ``synced`` bytes of the session's file are on the disk.  ``replica`` is the name of
    the gateway that created the session, and whose store has its file.
    """

    id: str
    owner_id: int
    drop_id: str | None
    name: str
    size: int | None
    metadata: str
    concat: str
    created: int
    expires: int
    active_request: str = ""
    upload_id: str | None = None
    synced: int = 0
    active_request_expires: int = 0
    replica: str | None = None


def add(connection: Connection, session: UploadSession) -> None:
    """Insert a session."""
    connection.execute(insert(upload_sessions).values(**vars(session)))


def by_id(connection: Connection, session_id: str) -> UploadSession | None:
    """Return the session with that id, or None."""
    row = connection.execute(
        select(upload_sessions).where(upload_sessions.c.id == session_id)
    ).one_or_none()
    return None if row is None else _session(row)


def change(connection: Connection, session_id: str, **values: Any) -> None:  # noqa: ANN401
    """Update a session's columns."""
    connection.execute(
        update(upload_sessions)
        .where(upload_sessions.c.id == session_id)
        .values(**values)
    )


def by_concat(
    connection: Connection, owner_id: int, concat: str
) -> UploadSession | None:
    """Return the owner's newest session with that Upload-Concat, or None."""
    row = connection.execute(
        select(upload_sessions)
        .where(
            upload_sessions.c.owner_id == owner_id, upload_sessions.c.concat == concat
        )
        .order_by(upload_sessions.c.created.desc(), upload_sessions.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else _session(row)


def end_request(connection: Connection, session_id: str, active_request: str) -> None:
    """Clear the session's active request if it is *active_request*."""
    connection.execute(
        update(upload_sessions)
        .where(
            upload_sessions.c.id == session_id,
            upload_sessions.c.active_request == active_request,
        )
        .values(active_request="")
    )


def finish(connection: Connection, session_id: str, upload_id: str) -> None:
    """Set the session's upload; raise RepeatedUploadError if it is already set."""
    changed = connection.execute(
        update(upload_sessions)
        .where(
            upload_sessions.c.id == session_id, upload_sessions.c.upload_id.is_(None)
        )
        .values(upload_id=upload_id, active_request="")
    )
    if not changed.rowcount:
        raise RepeatedUploadError(session_id)


def remove(connection: Connection, session_id: str) -> None:
    """Delete the session's row; the caller deletes its file afterwards."""
    connection.execute(
        delete(upload_sessions).where(upload_sessions.c.id == session_id)
    )


def expired(connection: Connection, *, now: int, limit: int) -> list[UploadSession]:
    """Return expired sessions, the oldest first."""
    query = (
        select(upload_sessions)
        .where(upload_sessions.c.expires <= now)
        .order_by(upload_sessions.c.expires)
        .limit(limit)
    )
    return [_session(row) for row in connection.execute(query)]


def rename_gateway(connection: Connection, earlier: str, name: str) -> None:
    """Give the sessions and the reservations of the gateway *earlier* to *name*."""
    for table, column in (
        (upload_sessions, upload_sessions.c.replica),
        (reservations, reservations.c.gateway),
    ):
        connection.execute(
            update(table).where(column == earlier).values({column: name})
        )


def _session(row: Row[Any]) -> UploadSession:
    return UploadSession(**row._asdict())
