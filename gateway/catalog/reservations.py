"""SQL expressions for sums of reservations: for quotas, budgets and usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, case, func, or_

from gateway.catalog.schema import reservations, upload_sessions

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

#: ``lapses`` of a reservation that no quota counts: its bytes are stored already.
NOTHING: Final = 0
#: Reservations with their upload sessions.  A session keeps its slot for days; it is
#: running while a request sends bytes.
RESERVED: Final = reservations.outerjoin(
    upload_sessions, upload_sessions.c.id == reservations.c.id
)
#: Bytes of a reservation that are not received yet.
OUTSTANDING: Final = reservations.c.size - func.coalesce(upload_sessions.c.synced, 0)


def is_running(now: int) -> ColumnElement[bool]:
    """Return the condition that a row of RESERVED is receiving bytes."""
    return or_(
        upload_sessions.c.id.is_(None),
        and_(
            upload_sessions.c.active_request != "",
            upload_sessions.c.active_request_expires > now,
        ),
    )


def reserved_bytes(now: int) -> ColumnElement[int]:
    """Return the bytes that a row of RESERVED counts toward the quotas.

    If the reservation of an upload session has lapsed, only the received bytes count.
    """
    return case(
        (reservations.c.lapses > now, reservations.c.size),
        else_=func.coalesce(upload_sessions.c.synced, 0),
    )


def count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return the number of rows that meet *condition*."""
    return func.count(case((condition, 1)))


def sum_where(
    condition: ColumnElement[bool], value: ColumnElement[int]
) -> ColumnElement[int]:
    """Return the sum of *value* over the rows that meet *condition*."""
    return func.coalesce(func.sum(case((condition, value))), 0)
