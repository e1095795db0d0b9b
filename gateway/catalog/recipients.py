"""Recipients of shares: each has a link of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, insert, select, update

from gateway.catalog.ids import new_code_id, new_id
from gateway.catalog.schema import recipients

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, Row

    from gateway.catalog.shares import Share


class NewRecipient(NamedTuple):
    """To whom a link is to be made; both are empty for one that is only copied."""

    address: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """One link of a share.

    ``opened`` is when its page was shown first, ``begun`` when a download was begun
    first.  ``taken`` are its leases that are spent, ``scanned`` those of them that a
    scanner has probably taken, ``given_back`` the downloads that the sender gave back,
    and ``sent`` the bytes that nginx has sent.
    """

    id: str
    share_id: str
    position: int
    code_id: str
    address: str
    label: str
    created: int
    revoked: int | None
    opened: int | None
    begun: int | None = None
    taken: int = 0
    scanned: int = 0
    given_back: int = 0
    sent: int = 0


def add(
    connection: Connection, share: Share, new: Sequence[NewRecipient], *, now: int
) -> list[Recipient]:
    """Give a share more recipients and return them."""
    last = connection.execute(
        select(func.max(recipients.c.position)).where(recipients.c.share_id == share.id)
    ).scalar()
    rows = [
        {
            "id": new_id(),
            "share_id": share.id,
            "position": position,
            "code_id": new_code_id(),
            "created": now,
            "revoked": None,
            "opened": None,
            **each._asdict(),
        }
        for position, each in enumerate(new, start=(last or 0) + 1)
    ]
    if rows:
        connection.execute(insert(recipients), rows)
    return [Recipient(**row) for row in rows]


def by_id(connection: Connection, recipient_id: str) -> Recipient | None:
    """Return the recipient of that id, or None."""
    return _one(connection, recipients.c.id == recipient_id)


def by_code_id(connection: Connection, code_id: str) -> Recipient | None:
    """Return the recipient whose link's code has that id, or None."""
    return _one(connection, recipients.c.code_id == code_id)


def of_shares(connection: Connection, share_ids: Collection[str]) -> list[Recipient]:
    """Return the recipients of shares, each one's in the order of their making."""
    query = (
        select(recipients)
        .where(recipients.c.share_id.in_(share_ids))
        .order_by(recipients.c.share_id, recipients.c.position)
    )
    return [_recipient(row) for row in connection.execute(query)]


def counts(
    connection: Connection, share_ids: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Return how many links each of these shares has, and how many were opened."""
    query = (
        select(recipients.c.share_id, func.count(), func.count(recipients.c.opened))
        .where(recipients.c.share_id.in_(share_ids))
        .group_by(recipients.c.share_id)
    )
    return {share: (all_, opened) for share, all_, opened in connection.execute(query)}


def revoke(connection: Connection, recipient: Recipient, *, now: int) -> bool:
    """End a link and its downloads; tell whether nobody has done so before."""
    changed = connection.execute(
        update(recipients)
        .where(recipients.c.id == recipient.id, recipients.c.revoked.is_(None))
        .values(revoked=now)
    )
    return bool(changed.rowcount)


def note_opened(connection: Connection, recipient: Recipient, *, now: int) -> None:
    """Note that the page of a link was shown, if it is the first time."""
    connection.execute(
        update(recipients)
        .where(recipients.c.id == recipient.id, recipients.c.opened.is_(None))
        .values(opened=now)
    )


def _one(connection: Connection, condition: Any) -> Recipient | None:  # noqa: ANN401
    row = connection.execute(select(recipients).where(condition)).one_or_none()
    return None if row is None else _recipient(row)


def _recipient(row: Row[Any]) -> Recipient:
    return Recipient(**row._asdict())
