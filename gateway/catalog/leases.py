"""Leases: downloads that were begun on a share's page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, insert, select

from gateway.catalog.ids import new_code_id
from gateway.catalog.lookups import Lookup
from gateway.catalog.schema import (
    leases,
    recipients,
    share_items,
    shares,
    uploads,
    users,
)
from gateway.catalog.shares import ITEM, Item

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.lookups import Reader
    from gateway.catalog.recipients import Recipient

_ITEM_FIELDS: Final = tuple(column.name for column in ITEM)


@dataclass(frozen=True, kw_only=True)
class LeasedItem:
    """What a verdict needs to know of a lease and one item that it opens.

    ``expires`` is when lease or share end, whichever is first, in Unix seconds;
    ``is_revoked`` tells that share, link or lease were taken back.
    """

    item: Item
    recipient_id: str
    expires: int
    is_revoked: bool
    is_owner_disabled: bool


def new(
    connection: Connection,
    recipient: Recipient,
    *,
    expires: int,
    agent: str,
    network: str,
    now: int,
) -> str:
    """Give a lease and return its id."""
    lease_id = new_code_id()
    connection.execute(
        insert(leases).values(
            id=lease_id,
            recipient_id=recipient.id,
            created=now,
            expires=expires,
            agent=agent,
            network=network,
        )
    )
    return lease_id


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
                leases.c.expires,
                shares.c.expires,
                leases.c.ended,
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
        recipient_id, expires, share_expires = row[:3]
        return LeasedItem(
            item=Item(**dict(zip(_ITEM_FIELDS, row[7:], strict=True))),
            recipient_id=recipient_id,
            expires=min(expires, share_expires or expires),
            is_revoked=any(moment is not None for moment in row[3:6]),
            is_owner_disabled=bool(row[6]),
        )
