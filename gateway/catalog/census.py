"""Counts of rows for monitoring, by short queries that use indexes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from gateway.catalog.outbox import MailState
from gateway.catalog.reservations import (
    RESERVED,
    count_where,
    is_running,
    reserved_bytes,
)
from gateway.catalog.schema import (
    lease_requests,
    leases,
    login_sessions,
    outbox,
    reservations,
    totals,
    upload_sessions,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection


@dataclass(frozen=True, kw_only=True)
class Census:
    """The state of the catalog, which several gateways may share.

    ``stored_bytes`` are the bytes of all uploads, ``reserved_bytes`` those reserved for
    uploads in progress; ``running_uploads`` are receiving bytes now.
    ``open_leases`` can still be used and have sent nothing yet; ``downloads`` are
    running counted downloads.  ``mails`` are the mails that are not sent yet, by state,
    and ``oldest_created`` is the Unix second of the oldest of them, None without one.
    """

    stored_bytes: int
    reserved_bytes: int
    running_uploads: int
    login_sessions: int
    upload_sessions: int
    open_leases: int
    downloads: int
    mails: dict[str, int]
    oldest_created: int | None


def take(connection: Connection, *, now: int) -> Census:
    """Return the current counts."""

    def count(*conditions: ColumnElement[bool]) -> int:
        return connection.execute(select(func.count()).where(*conditions)).scalar_one()

    unsent = (MailState.WAITING.value, MailState.SENDING.value)
    queued = connection.execute(
        select(outbox.c.state, func.count(), func.min(outbox.c.created))
        .where(outbox.c.state.in_(unsent))
        .group_by(outbox.c.state)
    ).all()
    counts = {state: number for state, number, _ in queued}
    reserved = connection.execute(
        select(
            func.coalesce(func.sum(reserved_bytes(now)), 0).label("bytes"),
            count_where(is_running(now)).label("running"),
        )
        .select_from(RESERVED)
        .where(reservations.c.expires > now)
    ).one()
    return Census(
        stored_bytes=connection.execute(select(totals.c.stored_bytes)).scalar_one(),
        reserved_bytes=int(reserved.bytes),
        running_uploads=reserved.running,
        login_sessions=count(login_sessions.c.expires > now),
        upload_sessions=count(
            upload_sessions.c.expires > now, upload_sessions.c.upload_id.is_(None)
        ),
        open_leases=count(
            leases.c.spent.is_(None), leases.c.ended.is_(None), leases.c.expires > now
        ),
        downloads=count(lease_requests.c.lease_id.is_not(None)),
        mails={state: counts.get(state, 0) for state in unsent},
        oldest_created=min((created for *_, created in queued), default=None),
    )
