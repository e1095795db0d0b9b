"""The usage of a drop link, and of all drop links of its owner together."""

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
    """Uploads in progress and bytes of one drop link, or of all links of its owner.

    ``files`` counts all uploads in progress, ``sessions`` the upload sessions among
    them, and ``running`` the uploads that are receiving bytes.  ``bytes`` are stored
    plus reserved bytes.
    """

    files: int
    sessions: int
    running: int
    bytes: int
    running_by_all: int
    bytes_by_all: int


def taken(connection: Connection, drop: Drop, *, now: int) -> Taken:
    """Return the current usage; in a write transaction it is valid until the commit."""
    is_of_drop = reservations.c.drop_id == drop.id
    counts_in_quotas = reservations.c.lapses != NOTHING
    runs = is_running(now)
    reserved = connection.execute(
        select(
            count_where(and_(is_of_drop, counts_in_quotas)).label("files"),
            count_where(and_(is_of_drop, upload_sessions.c.id.is_not(None))).label(
                "sessions"
            ),
            count_where(and_(is_of_drop, runs)).label("running"),
            count_where(runs).label("running_by_all"),
            sum_where(is_of_drop, reserved_bytes(now)).label("bytes"),
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
        files=reserved.files,
        sessions=reserved.sessions,
        running=reserved.running,
        bytes=int(reserved.bytes) + int(stored.bytes),
        running_by_all=reserved.running_by_all,
        bytes_by_all=int(reserved.bytes_by_all) + int(stored.bytes_by_all),
    )
