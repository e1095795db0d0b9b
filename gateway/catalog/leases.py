"""Leases: permissions to download, issued on a share's page.

If a share counts downloads, each share link has a number of download slots.  A new
lease has *reserved* a slot; it has *begun* while nginx serves a GET of it; it is
*spent* once a request that sent bytes has ended, and then keeps its slot permanently.
If all slots are in use, a new lease replaces the oldest lease that has only reserved a
slot: a person who presses the button and leaves does not block later downloads.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, exists, func, insert, select, update

from gateway.catalog.ids import new_code_id
from gateway.catalog.schema import (
    lease_requests,
    leases,
    recipients,
    share_items,
    shares,
    uploads,
    users,
)
from gateway.catalog.shares import ITEM, Item
from gateway.catalog.verdict_queries import Lookup
from gateway.errors import (
    EndedLeaseError,
    NothingTakenError,
    NotServableError,
    ShareBusyError,
    ShareSpentError,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Connection

    from gateway.catalog.recipients import Recipient
    from gateway.catalog.verdict_queries import Reader

_ITEM_FIELDS: Final = tuple(column.name for column in ITEM)


@dataclass(frozen=True, kw_only=True)
class LeasedItem:
    """A lease and one item of its share: the facts that a verdict needs.

    ``not_before`` is when the share becomes valid, ``expires`` when the lease or the
    share expires, whichever is earlier, in Unix seconds.  ``is_revoked`` means that
    the share or the share link was revoked, ``is_ended`` that another lease replaced
    this lease.  ``holds_slot`` means that the lease already has its slot because it is
    spent, or needs no slot because downloads are not counted.
    """

    item: Item
    recipient_id: str
    not_before: int | None
    expires: int
    is_revoked: bool
    is_ended: bool
    is_owner_disabled: bool
    holds_slot: bool


@dataclass(frozen=True, kw_only=True)
class BegunRequest:
    """A GET that nginx has started: the ids of the request, the gateway and the run."""

    id: str
    gateway: str
    run: str


@dataclass(frozen=True, kw_only=True)
class NewLease:
    """The expiry of a new lease, and a short description of the browser."""

    expires: int
    agent: str
    is_scanner: bool = False


def take(
    connection: Connection, recipient: Recipient, new: NewLease, *, now: int
) -> str:
    """Issue a lease and return its id.

    Raise ShareSpentError if all slots of the share link are spent, ShareBusyError if
    running downloads use the remaining slots and may still free them.  *connection* is
    in a write transaction that excludes other writers.
    """
    slots = _unspent_slots(connection, recipient.id)
    if slots is None:
        _note_begun(connection, recipient.id, now=now)
    else:
        _free_a_slot(connection, recipient.id, slots, now=now)
    lease_id = new_code_id()
    connection.execute(
        insert(leases).values(
            id=lease_id,
            recipient_id=recipient.id,
            created=now,
            network="",
            **vars(new),
        )
    )
    return lease_id


def begin(
    connection: Connection, lease_id: str, request: BegunRequest, *, now: int
) -> None:
    """Record that nginx starts a GET of a lease: it keeps its slot until the GET ends.

    Raise EndedLeaseError if another lease replaced this lease, or if the end of the
    request is already booked; ShareSpentError or ShareBusyError if no slot is left,
    because the limit was lowered.  *connection* is in a write transaction that
    excludes other writers.
    """
    # A row with this id exists only if the end of the request was booked first.
    ended = select(lease_requests.c.id).where(lease_requests.c.id == request.id)
    if connection.execute(ended).one_or_none() is not None:
        raise EndedLeaseError
    lease = connection.execute(
        select(
            leases.c.recipient_id, leases.c.spent, _has_begun().label("has_begun")
        ).where(leases.c.id == lease_id, leases.c.ended.is_(None))
    ).one_or_none()
    if lease is None:
        raise EndedLeaseError
    if lease.spent is None and not lease.has_begun:
        slots = _unspent_slots(connection, lease.recipient_id)
        if slots is not None:
            _free_slots(connection, lease.recipient_id, slots)
    connection.execute(
        update(leases)
        .where(leases.c.id == lease_id)
        .values(begun=func.coalesce(leases.c.begun, now))
    )
    connection.execute(
        insert(lease_requests).values(lease_id=lease_id, since=now, **vars(request))
    )
    _note_begun(connection, lease.recipient_id, now=now)


def give_back(connection: Connection, recipient: Recipient, *, now: int) -> None:
    """Give one download back; raise NothingTakenError if there was no download.

    If no lease is spent, the oldest lease that has begun is marked as spent first.
    *connection* is in a write transaction that excludes other writers.
    """
    increment = (
        update(recipients)
        .where(
            recipients.c.id == recipient.id,
            recipients.c.given_back < recipients.c.taken,
        )
        .values(given_back=recipients.c.given_back + 1)
    )
    if connection.execute(increment).rowcount:
        return
    begun = connection.execute(
        select(leases.c.id)
        .where(_is_unspent(recipient.id), _has_begun())
        .order_by(leases.c.begun, leases.c.id)
        .limit(1)
    ).scalar()
    if begun is None:
        raise NothingTakenError
    spend(connection, {begun: now})
    connection.execute(increment)


def spend(
    connection: Connection, spent: dict[str, int], *, scanned: Collection[str] = ()
) -> int:
    """Mark leases as spent: they keep their slots permanently.

    *spent* maps lease ids to the Unix second when they were spent; leases that do not
    exist or are already spent are skipped.  *scanned* are the leases that a mail
    scanner has probably used.  Return the number of leases that are spent now.
    """
    rows = connection.execute(
        select(leases.c.id, leases.c.recipient_id, leases.c.is_scanner).where(
            leases.c.id.in_(spent), leases.c.spent.is_(None)
        )
    ).all()
    if not rows:
        return 0
    connection.execute(
        update(leases)
        .where(leases.c.id == bindparam("lease"))
        .values(spent=bindparam("at"), is_scanner=bindparam("by_scanner")),
        [
            {
                "lease": row.id,
                "at": spent[row.id],
                "by_scanner": row.is_scanner or row.id in scanned,
            }
            for row in rows
        ],
    )
    taken = Counter(row.recipient_id for row in rows)
    by_scanners = Counter(
        row.recipient_id for row in rows if row.is_scanner or row.id in scanned
    )
    connection.execute(
        update(recipients)
        .where(recipients.c.id == bindparam("recipient"))
        .values(
            taken=recipients.c.taken + bindparam("more"),
            scanned=recipients.c.scanned + bindparam("by_scanners"),
        ),
        [
            {
                "recipient": recipient_id,
                "more": count,
                "by_scanners": by_scanners[recipient_id],
            }
            for recipient_id, count in taken.items()
        ],
    )
    return len(rows)


def _unspent_slots(connection: Connection, recipient_id: str) -> int | None:
    """Return the number of a share link's unspent slots, or None without a limit."""
    link = connection.execute(
        select(
            shares.c.max_downloads,
            (recipients.c.taken - recipients.c.given_back).label("spent"),
        )
        .join(shares, shares.c.id == recipients.c.share_id)
        .where(recipients.c.id == recipient_id)
    ).one_or_none()
    if link is None:
        raise NotServableError("no-share-link")
    limit: int | None = link.max_downloads
    return None if limit is None else limit - int(link.spent)


def _free_slots(connection: Connection, recipient_id: str, slots: int) -> int:
    """Return how many of the unspent *slots* no running download uses, at least one.

    Raise ShareSpentError if *slots* is 0 or less, ShareBusyError if all are in use.
    """
    if slots <= 0:
        raise ShareSpentError
    running = select(func.count()).where(_is_unspent(recipient_id), _has_begun())
    free = slots - connection.execute(running).scalar_one()
    if free <= 0:
        raise ShareBusyError
    return free


def _free_a_slot(
    connection: Connection, recipient_id: str, slots: int, *, now: int
) -> None:
    """End leases that are only reserved, the oldest first, until a slot is free."""
    free = _free_slots(connection, recipient_id, slots)
    reserved = (
        connection.execute(
            select(leases.c.id)
            .where(_is_unspent(recipient_id), leases.c.expires > now, ~_has_begun())
            .order_by(leases.c.created, leases.c.id)
        )
        .scalars()
        .all()
    )
    excess = reserved[: max(0, len(reserved) + 1 - free)]
    if excess:
        connection.execute(
            update(leases).where(leases.c.id.in_(excess)).values(ended=now)
        )


def _is_unspent(recipient_id: str) -> ColumnElement[bool]:
    return (
        (leases.c.recipient_id == recipient_id)
        & leases.c.ended.is_(None)
        & leases.c.spent.is_(None)
    )


def _has_begun() -> ColumnElement[bool]:
    return exists().where(lease_requests.c.lease_id == leases.c.id)


def _note_begun(connection: Connection, recipient_id: str, *, now: int) -> None:
    connection.execute(
        update(recipients)
        .where(recipients.c.id == recipient_id, recipients.c.begun.is_(None))
        .values(begun=now)
    )


def running(connection: Connection, share_id: str) -> set[str]:
    """Return the ids of a share's recipients whose download is running, not spent."""
    query = (
        select(leases.c.recipient_id)
        .join(recipients, recipients.c.id == leases.c.recipient_id)
        .where(
            recipients.c.share_id == share_id,
            leases.c.ended.is_(None),
            leases.c.spent.is_(None),
            _has_begun(),
        )
    )
    return set(connection.execute(query).scalars())


def recipient_of(connection: Connection, lease_id: str, *, now: int) -> str | None:
    """Return the id of the lease's recipient, or None if the lease has ended."""
    query = select(leases.c.recipient_id).where(
        leases.c.id == lease_id, leases.c.ended.is_(None), leases.c.expires > now
    )
    return connection.execute(query).scalar_one_or_none()


class LeasedItems:
    """Finds an item of a lease with one query."""

    def __init__(self, reader: Reader) -> None:
        self._find = Lookup(
            reader,
            select(
                recipients.c.id,
                shares.c.not_before,
                leases.c.expires,
                shares.c.expires,
                leases.c.ended,
                leases.c.spent,
                shares.c.max_downloads,
                recipients.c.revoked,
                shares.c.revoked,
                users.c.is_disabled,
                *ITEM,
            )
            .select_from(leases)
            .join(recipients, recipients.c.id == leases.c.recipient_id)
            .join(shares, shares.c.id == recipients.c.share_id)
            .join(share_items, share_items.c.share_id == shares.c.id)
            .outerjoin(users, users.c.id == shares.c.owner_id)
            .outerjoin(uploads, uploads.c.id == share_items.c.upload_id)
            .where(
                leases.c.id == bindparam("lease_id"),
                share_items.c.number == bindparam("number"),
                share_items.c.removed.is_(None),
            ),
        )

    def find(self, lease_id: str, number: int) -> LeasedItem | None:
        """Return item *number* of the lease, or None."""
        row = self._find.first(lease_id, number)
        if row is None:
            return None
        recipient_id, not_before, expires, share_expires, ended, spent, limit = row[:7]
        return LeasedItem(
            item=Item(**dict(zip(_ITEM_FIELDS, row[10:], strict=True))),
            recipient_id=recipient_id,
            not_before=not_before,
            expires=min(expires, share_expires or expires),
            is_revoked=any(moment is not None for moment in row[7:9]),
            is_ended=ended is not None,
            is_owner_disabled=bool(row[9]),
            holds_slot=spent is not None or limit is None,
        )


def remove_over(connection: Connection, *, before: int, limit: int) -> int:
    """Delete leases that expired before *before* and were never spent.

    Return their number.  A lease that has begun is kept until the end of its request is
    booked.
    """
    ids = (
        select(leases.c.id)
        .where(leases.c.expires < before, leases.c.spent.is_(None), ~_has_begun())
        .limit(limit)
    )
    return connection.execute(delete(leases).where(leases.c.id.in_(ids))).rowcount
