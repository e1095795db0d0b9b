"""What is taken of a drop link, and by all drop links of its maker together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select

from gateway.catalog.reservations import (
    NOTHING,
    RESERVED,
    count_where,
    is_running,
    reserved_bytes,
    sum_where,
)
from gateway.catalog.schema import drops, reservations, upload_sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.drops import Drop


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What is stored or on its way by one drop link, or by all of its maker.

    ``files`` are on their way, unfinished resumable uploads among them, which are the
    ``sessions``; of those ``running``, bytes are coming.  ``bytes`` are those that are
    stored, and those that are reserved.
    """

    files: int
    sessions: int
    running: int
    bytes: int
    running_by_all: int
    bytes_by_all: int


def taken(connection: Connection, drop: Drop, *, now: int) -> Taken:
    """Count it; in a write transaction that stays true until the commit."""
    is_its = reservations.c.drop_id == drop.id
    takes_room = reservations.c.lapses != NOTHING
    runs = is_running(now)
    coming = connection.execute(
        select(
            count_where(and_(is_its, takes_room)).label("files"),
            count_where(and_(is_its, upload_sessions.c.id.is_not(None))).label(
                "sessions"
            ),
            count_where(and_(is_its, runs)).label("running"),
            count_where(runs).label("running_by_all"),
            sum_where(is_its, reserved_bytes(now)).label("bytes"),
            func.coalesce(func.sum(reserved_bytes(now)), 0).label("bytes_by_all"),
        )
        .select_from(RESERVED)
        .where(
            reservations.c.owner_id == drop.owner_id,
            reservations.c.drop_id.is_not(None),
            reservations.c.expires > now,
        )
    ).one()
    stored = connection.execute(
        select(
            sum_where(drops.c.id == drop.id, drops.c.stored_bytes).label("bytes"),
            func.coalesce(func.sum(drops.c.stored_bytes), 0).label("bytes_by_all"),
        ).where(drops.c.owner_id == drop.owner_id)
    ).one()
    return Taken(
        files=coming.files,
        sessions=coming.sessions,
        running=coming.running,
        bytes=int(coming.bytes) + int(stored.bytes),
        running_by_all=coming.running_by_all,
        bytes_by_all=int(coming.bytes_by_all) + int(stored.bytes_by_all),
    )
