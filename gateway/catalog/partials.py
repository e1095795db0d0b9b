"""Resumable uploads that are not whole yet.

How many bytes of one are there, its file below the store's ``partials`` tells:
that stays true through every crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from gateway.catalog.schema import partials
from gateway.errors import RepeatedUploadError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


@dataclass(frozen=True, kw_only=True)
class Partial:
    """One of them; ``size`` None is not told yet.

    ``metadata`` and ``concat`` are tus's headers as they came, ``turn`` is the
    request whose bytes are on their way, ``upload_id`` is set once it is whole
    and finalised: a client that missed the last answer asks again.  ``synced``
    bytes of its file are on the disk.  ``turn`` counts as running until
    ``turn_expires``.
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
    turn: str = ""
    upload_id: str | None = None
    synced: int = 0
    turn_expires: int = 0


def add(connection: Connection, partial: Partial) -> None:
    """Write one down."""
    connection.execute(insert(partials).values(**vars(partial)))


def by_id(connection: Connection, partial_id: str) -> Partial | None:
    """Return the one of that id, or None."""
    row = connection.execute(
        select(partials).where(partials.c.id == partial_id)
    ).one_or_none()
    return None if row is None else _partial(row)


def change(connection: Connection, partial_id: str, **values: Any) -> None:  # noqa: ANN401
    """Set columns of one."""
    connection.execute(
        update(partials).where(partials.c.id == partial_id).values(**values)
    )


def by_concat(connection: Connection, owner_id: int, concat: str) -> Partial | None:
    """Return the owner's newest that was asked for with that Upload-Concat."""
    row = connection.execute(
        select(partials)
        .where(partials.c.owner_id == owner_id, partials.c.concat == concat)
        .order_by(partials.c.created.desc(), partials.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else _partial(row)


def end_turn(connection: Connection, partial_id: str, turn: str) -> None:
    """Note that a request is over; one that has lost its turn changes nothing."""
    connection.execute(
        update(partials)
        .where(partials.c.id == partial_id, partials.c.turn == turn)
        .values(turn="")
    )


def finish(connection: Connection, partial_id: str, upload_id: str) -> None:
    """Note what it has become; raise RepeatedUploadError if it has already."""
    done = connection.execute(
        update(partials)
        .where(partials.c.id == partial_id, partials.c.upload_id.is_(None))
        .values(upload_id=upload_id, turn="")
    )
    if not done.rowcount:
        raise RepeatedUploadError(partial_id)


def remove(connection: Connection, partial_id: str) -> None:
    """Strike one out; its file is the caller's to delete, afterwards."""
    connection.execute(delete(partials).where(partials.c.id == partial_id))


def expired(connection: Connection, *, now: int, limit: int) -> list[Partial]:
    """Return some whose time is over, the oldest first."""
    query = (
        select(partials)
        .where(partials.c.expires <= now)
        .order_by(partials.c.expires)
        .limit(limit)
    )
    return [_partial(row) for row in connection.execute(query)]


def _partial(row: Row[Any]) -> Partial:
    return Partial(**row._asdict())
