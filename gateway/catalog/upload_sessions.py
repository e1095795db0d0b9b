"""Resumable uploads that are not whole yet.

How many bytes of one are there, its file below the store's ``upload-sessions`` tells:
that stays true through every crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from gateway.catalog.schema import upload_sessions
from gateway.errors import RepeatedUploadError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


@dataclass(frozen=True, kw_only=True)
class UploadSession:
    """One of them; ``size`` None is not told yet.

    ``metadata`` and ``concat`` are tus's headers as the client sent them.
    ``active_request`` is the id of the request that is sending a chunk, or empty; it
    counts as running until ``active_request_expires``.  ``upload_id`` is set when the
    session has become an upload: a client that missed the last answer asks again.
    ``synced`` bytes of the session's file are on the disk.
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


def add(connection: Connection, session: UploadSession) -> None:
    """Write one down."""
    connection.execute(insert(upload_sessions).values(**vars(session)))


def by_id(connection: Connection, session_id: str) -> UploadSession | None:
    """Return the one of that id, or None."""
    row = connection.execute(
        select(upload_sessions).where(upload_sessions.c.id == session_id)
    ).one_or_none()
    return None if row is None else _partial(row)


def change(connection: Connection, session_id: str, **values: Any) -> None:  # noqa: ANN401
    """Set columns of one."""
    connection.execute(
        update(upload_sessions)
        .where(upload_sessions.c.id == session_id)
        .values(**values)
    )


def by_concat(
    connection: Connection, owner_id: int, concat: str
) -> UploadSession | None:
    """Return the owner's newest that was asked for with that Upload-Concat."""
    row = connection.execute(
        select(upload_sessions)
        .where(
            upload_sessions.c.owner_id == owner_id, upload_sessions.c.concat == concat
        )
        .order_by(upload_sessions.c.created.desc(), upload_sessions.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else _partial(row)


def end_request(connection: Connection, session_id: str, active_request: str) -> None:
    """Note that a request is over; one that has lost its turn changes nothing."""
    connection.execute(
        update(upload_sessions)
        .where(
            upload_sessions.c.id == session_id,
            upload_sessions.c.active_request == active_request,
        )
        .values(active_request="")
    )


def finish(connection: Connection, session_id: str, upload_id: str) -> None:
    """Note what it has become; raise RepeatedUploadError if it has already."""
    done = connection.execute(
        update(upload_sessions)
        .where(
            upload_sessions.c.id == session_id, upload_sessions.c.upload_id.is_(None)
        )
        .values(upload_id=upload_id, active_request="")
    )
    if not done.rowcount:
        raise RepeatedUploadError(session_id)


def remove(connection: Connection, session_id: str) -> None:
    """Strike one out; its file is the caller's to delete, afterwards."""
    connection.execute(
        delete(upload_sessions).where(upload_sessions.c.id == session_id)
    )


def expired(connection: Connection, *, now: int, limit: int) -> list[UploadSession]:
    """Return some whose time is over, the oldest first."""
    query = (
        select(upload_sessions)
        .where(upload_sessions.c.expires <= now)
        .order_by(upload_sessions.c.expires)
        .limit(limit)
    )
    return [_partial(row) for row in connection.execute(query)]


def _partial(row: Row[Any]) -> UploadSession:
    return UploadSession(**row._asdict())
