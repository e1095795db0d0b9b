"""Leases: permissions to download that were given on a share's page.

Where downloads are counted, each link has a number of places.  A lease that was given
has *reserved* a place; it has *begun* while nginx works on a GET of it; it is *spent*
once a request that sent bytes is over, and then keeps its place for good.  While all
places are taken, a new lease takes the place of one that is only reserved: whoever
presses the button and leaves takes nothing from those who come afterwards.
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
    """What a verdict needs to know of a lease and one item that it opens.

    ``not_before`` is when the share begins, ``expires`` when lease or share end,
    whichever is first, in Unix seconds;
    ``is_revoked`` tells that share or link were taken back, ``is_ended`` that another
    lease took this one's place, ``holds_place`` that it need not begin: it is spent,
    or downloads are not counted.
    """

    item: Item
    recipient_id: str
    not_before: int | None
    expires: int
    is_revoked: bool
    is_ended: bool
    is_owner_disabled: bool
    holds_place: bool


@dataclass(frozen=True, kw_only=True)
class BegunRequest:
    """A GET as nginx names it: its id, whose nginx it is, and which start of it."""

    id: str
    gateway: str
    run: str


@dataclass(frozen=True, kw_only=True)
class NewLease:
    """Who takes a lease: the browser in short, and until when it is given."""

    expires: int
    agent: str
    is_scanner: bool = False


def take(
    connection: Connection, recipient: Recipient, new: NewLease, *, now: int
) -> str:
    """Give a lease and return its id.

    Raise ShareSpentError if all places of the link are spent, ShareBusyError if some
    lease that has begun may still give its place back.  *connection* is in a write
    transaction, alone.
    """
    places = _places(connection, recipient.id)
    if places is None:
        _note_begun(connection, recipient.id, now=now)
    else:
        _make_room(connection, recipient.id, places, now=now)
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
    """Note that nginx begins a GET of a lease, which keeps its place meanwhile.

    Raise EndedLeaseError if another lease has its place, or if nginx has ended the
    request already; ShareSpentError or ShareBusyError if no place is left for it, since
    the limit was lowered.  *connection* is in a write transaction, alone.
    """
    is_over = select(lease_requests.c.id).where(lease_requests.c.id == request.id)
    if connection.execute(is_over).one_or_none() is not None:
        raise EndedLeaseError
    lease = connection.execute(
        select(
            leases.c.recipient_id, leases.c.spent, _has_begun().label("has_begun")
        ).where(leases.c.id == lease_id, leases.c.ended.is_(None))
    ).one_or_none()
    if lease is None:
        raise EndedLeaseError
    if lease.spent is None and not lease.has_begun:
        places = _places(connection, lease.recipient_id)
        if places is not None:
            _free(connection, lease.recipient_id, places)
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
    """Give one download back; raise NothingTakenError if none is taken.

    The oldest lease that has begun counts as spent then, if no other one is.
    *connection* is in a write transaction, alone.
    """
    given = (
        update(recipients)
        .where(
            recipients.c.id == recipient.id,
            recipients.c.given_back < recipients.c.taken,
        )
        .values(given_back=recipients.c.given_back + 1)
    )
    if connection.execute(given).rowcount:
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
    connection.execute(given)


def spend(
    connection: Connection, spent: dict[str, int], *, scanned: Collection[str] = ()
) -> None:
    """Have leases keep their places for good, each from the second that it has here.

    Those that do so already, or are not there, are left out.  *scanned* are those that
    a scanner has probably used.
    """
    rows = connection.execute(
        select(leases.c.id, leases.c.recipient_id, leases.c.is_scanner).where(
            leases.c.id.in_(spent), leases.c.spent.is_(None)
        )
    ).all()
    if not rows:
        return
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
            {"recipient": one, "more": more, "by_scanners": by_scanners[one]}
            for one, more in taken.items()
        ],
    )


def _places(connection: Connection, recipient_id: str) -> int | None:
    """Return how many downloads of a link are not spent; None is any number."""
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
    most: int | None = link.max_downloads
    return None if most is None else most - int(link.spent)


def _free(connection: Connection, recipient_id: str, places: int) -> int:
    """Return how many of these places no running download holds, at least one.

    Raise ShareSpentError if there are no places, ShareBusyError if all are held.
    """
    if places <= 0:
        raise ShareSpentError
    running = select(func.count()).where(_is_unspent(recipient_id), _has_begun())
    free = places - connection.execute(running).scalar_one()
    if free <= 0:
        raise ShareBusyError
    return free


def _make_room(
    connection: Connection, recipient_id: str, places: int, *, now: int
) -> None:
    """End leases that are only reserved, the oldest first, until a place is free."""
    free = _free(connection, recipient_id, places)
    reserved = (
        connection.execute(
            select(leases.c.id)
            .where(_is_unspent(recipient_id), leases.c.expires > now, ~_has_begun())
            .order_by(leases.c.created, leases.c.id)
        )
        .scalars()
        .all()
    )
    over = reserved[: max(0, len(reserved) + 1 - free)]
    if over:
        connection.execute(
            update(leases).where(leases.c.id.in_(over)).values(ended=now)
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
    """Return the recipients of a share whose download runs and is not spent yet."""
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
    """Return the id of the recipient who took that lease, or None if it is over."""
    query = select(leases.c.recipient_id).where(
        leases.c.id == lease_id, leases.c.ended.is_(None), leases.c.expires > now
    )
    return connection.execute(query).scalar_one_or_none()


class LeasedItems:
    """Finds an item of a lease, in one look-up."""

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
        """Return that item of that lease, or None."""
        row = self._find.first(lease_id, number)
        if row is None:
            return None
        recipient_id, not_before, expires, share_expires, ended, spent, most = row[:7]
        return LeasedItem(
            item=Item(**dict(zip(_ITEM_FIELDS, row[10:], strict=True))),
            recipient_id=recipient_id,
            not_before=not_before,
            expires=min(expires, share_expires or expires),
            is_revoked=any(moment is not None for moment in row[7:9]),
            is_ended=ended is not None,
            is_owner_disabled=bool(row[9]),
            holds_place=spent is not None or most is None,
        )


def remove_over(connection: Connection, *, before: int, limit: int) -> int:
    """Forget leases that ended before that second and were never spent.

    Return how many.  What has begun stays until the ledger says how it ended.
    """
    some = (
        select(leases.c.id)
        .where(leases.c.expires < before, leases.c.spent.is_(None), ~_has_begun())
        .limit(limit)
    )
    return connection.execute(delete(leases).where(leases.c.id.in_(some))).rowcount
