"""Recipients of shares: each has a share link."""

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
    """A recipient to be added; both fields are empty for a link that is only copied."""

    address: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """One recipient of a share, who has one share link.

    ``opened`` is when the share page was first shown, ``begun`` when the first download
    began.  ``taken`` counts the spent leases, ``scanned`` the spent leases that a
    scanner has probably taken, ``given_back`` the downloads that the sender gave back.
    ``sent`` are the bytes that nginx has sent.
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
    """Add recipients to a share and return them."""
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
            **recipient._asdict(),
        }
        for position, recipient in enumerate(new, start=(last or 0) + 1)
    ]
    if rows:
        connection.execute(insert(recipients), rows)
    return [Recipient(**row) for row in rows]


def by_id(connection: Connection, recipient_id: str) -> Recipient | None:
    """Return the recipient with that id, or None."""
    return _first(connection, recipients.c.id == recipient_id)


def by_code_id(connection: Connection, code_id: str) -> Recipient | None:
    """Return the recipient whose share code has that id, or None."""
    return _first(connection, recipients.c.code_id == code_id)


def of_shares(connection: Connection, share_ids: Collection[str]) -> list[Recipient]:
    """Return the recipients of shares, by share and in the order of their creation."""
    query = (
        select(recipients)
        .where(recipients.c.share_id.in_(share_ids))
        .order_by(recipients.c.share_id, recipients.c.position)
    )
    return [_recipient(row) for row in connection.execute(query)]


def counts(
    connection: Connection, share_ids: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Return the number of share links and of opened share links, by share id."""
    query = (
        select(recipients.c.share_id, func.count(), func.count(recipients.c.opened))
        .where(recipients.c.share_id.in_(share_ids))
        .group_by(recipients.c.share_id)
    )
    rows = connection.execute(query)
    return {share_id: (links, opened) for share_id, links, opened in rows}


def revoke(connection: Connection, recipient: Recipient, *, now: int) -> bool:
    """Revoke a share link and its leases; return False if it was revoked before."""
    changed = connection.execute(
        update(recipients)
        .where(recipients.c.id == recipient.id, recipients.c.revoked.is_(None))
        .values(revoked=now)
    )
    return bool(changed.rowcount)


def note_opened(connection: Connection, recipient: Recipient, *, now: int) -> None:
    """Store when the share page was first shown."""
    connection.execute(
        update(recipients)
        .where(recipients.c.id == recipient.id, recipients.c.opened.is_(None))
        .values(opened=now)
    )


def _first(connection: Connection, condition: Any) -> Recipient | None:  # noqa: ANN401
    row = connection.execute(select(recipients).where(condition)).one_or_none()
    return None if row is None else _recipient(row)


def _recipient(row: Row[Any]) -> Recipient:
    return Recipient(**row._asdict())
