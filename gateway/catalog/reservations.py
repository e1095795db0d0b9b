"""SQL expressions that add up reservations, for quotas, budgets and usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, case, func, or_

from gateway.catalog.schema import reservations, upload_sessions

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

#: When a reservation lapses that no quota counts: what comes is stored already.
NOTHING: Final = 0
#: A resumable upload holds its place for days; it runs while bytes of it come.
RESERVED: Final = reservations.outerjoin(
    upload_sessions, upload_sessions.c.id == reservations.c.id
)
#: Bytes of it that have not come.
COMING: Final = reservations.c.size - func.coalesce(upload_sessions.c.synced, 0)


def is_running(now: int) -> ColumnElement[bool]:
    """Return whether bytes come of what a row of RESERVED stands for."""
    return or_(
        upload_sessions.c.id.is_(None),
        and_(
            upload_sessions.c.active_request != "",
            upload_sessions.c.active_request_expires > now,
        ),
    )


def reserved_bytes(now: int) -> ColumnElement[int]:
    """Return the bytes that a row of RESERVED counts toward the quotas.

    Of a resumable upload whose reservation has lapsed those that have come count.
    """
    return case(
        (reservations.c.lapses > now, reservations.c.size),
        else_=func.coalesce(upload_sessions.c.synced, 0),
    )


def count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return the number of rows that fit."""
    return func.count(case((condition, 1)))


def sum_where(
    condition: ColumnElement[bool], value: ColumnElement[int]
) -> ColumnElement[int]:
    """Return the sum of *value* over the rows that fit."""
    return func.coalesce(func.sum(case((condition, value))), 0)
