"""Shares: permissions to fetch uploads, files and folders, and their items."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from gateway.catalog.ids import new_id
from gateway.catalog.schema import (
    audit,
    bookings,
    lease_requests,
    leases,
    one_time_codes,
    outbox,
    recipients,
    share_items,
    shares,
    uploads,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, Row

    from gateway.catalog.users import User


class State(StrEnum):
    """Whether a share gives access to its items; only an open share does."""

    OPEN = "open"
    EARLY = "early"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Share:
    """One share; times are Unix seconds.

    An ``owner_id`` of None means the operator.  None means no limit for ``expires``,
    ``not_before`` and ``max_downloads`` (per share link).  With ``has_otp`` each lease
    needs a one-time code.
    """

    id: str
    owner_id: int | None
    title: str
    message: str
    lang: str
    max_downloads: int | None
    password_hash: str | None
    has_otp: bool
    created: int
    not_before: int | None
    expires: int | None
    revoked: int | None

    def state(self, *, now: int) -> State:
        """Return the state at *now*; final states take precedence over others."""
        if self.revoked is not None:
            return State.REVOKED
        if self.expires is not None and now >= self.expires:
            return State.EXPIRED
        if self.not_before is not None and now < self.not_before:
            return State.EARLY
        return State.OPEN


class NewItem(NamedTuple):
    """An item to be added to a share: an upload, or a file or folder of the tree."""

    name: str
    upload_id: str | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item of a share; its number is never reused in the share.

    The item is an upload, or the file or folder ``path`` in the files tree; a folder's
    path ends in ``/``.  ``blob``, ``size`` in bytes and ``media_type`` belong to the
    upload: they are None if it was deleted, or if the item is not an upload.
    """

    share_id: str
    number: int
    name: str
    upload_id: str | None
    path: str | None
    blob: str | None
    size: int | None
    media_type: str | None

    @property
    def is_folder(self) -> bool:
        """Tell whether the item is a folder of the files tree."""
        return self.path is not None and self.path.endswith("/")


#: The columns of an Item, in the order of its fields.
ITEM: Final = (
    share_items.c.share_id,
    share_items.c.number,
    share_items.c.name,
    share_items.c.upload_id,
    share_items.c.path,
    uploads.c.blob,
    uploads.c.size,
    uploads.c.media_type,
)


class Key(NamedTuple):
    """A client's idempotency key, and the digest of its request."""

    text: str
    digest: bytes


def new(
    connection: Connection,
    owner: User | None,
    items: Sequence[NewItem],
    *,
    now: int,
    key: Key | None = None,
    **policy: Any,  # noqa: ANN401 -- SharePolicy's fields
) -> Share:
    """Insert a share without recipients and return it."""
    share_id = new_id()
    connection.execute(
        insert(shares).values(
            id=share_id,
            owner_id=None if owner is None else owner.id,
            created=now,
            idempotency_key=key and key.text,
            idempotency_digest=key and key.digest,
            **policy,
        )
    )
    share = by_id(connection, share_id)
    assert share is not None  # noqa: S101 -- it was inserted above
    add_items(connection, share, items)
    return share


def by_id(connection: Connection, share_id: str) -> Share | None:
    """Return the share with that id, or None."""
    row = connection.execute(_select().where(shares.c.id == share_id)).one_or_none()
    return None if row is None else _share(row)


def by_key(connection: Connection, owner: User, key: Key) -> tuple[Share, bool] | None:
    """Return the *owner*'s share with that key, and whether the request is the same."""
    row = connection.execute(
        select(shares.c.id, shares.c.idempotency_digest).where(
            shares.c.owner_id == owner.id, shares.c.idempotency_key == key.text
        )
    ).one_or_none()
    if row is None:
        return None
    share = by_id(connection, row.id)
    assert share is not None  # noqa: S101 -- it was found above
    return share, row.idempotency_digest == key.digest


def newest(
    connection: Connection,
    owner: User | None,
    *,
    limit: int,
    after: tuple[int, str] | None = None,
) -> list[Share]:
    """Return a user's shares, or everybody's, newest first.

    *after* is the ``created`` and ``id`` of the last share on the previous page.
    """
    query = _select().order_by(shares.c.created.desc(), shares.c.id)
    if owner is not None:
        query = query.where(shares.c.owner_id == owner.id)
    if after is not None:
        created, share_id = after
        query = query.where(
            (shares.c.created < created)
            | ((shares.c.created == created) & (shares.c.id > share_id))
        )
    return [_share(row) for row in connection.execute(query.limit(limit))]


def change(connection: Connection, share: Share, **values: Any) -> Share:  # noqa: ANN401
    """Update columns of a share and return the changed share."""
    if values:
        connection.execute(
            update(shares).where(shares.c.id == share.id).values(**values)
        )
    changed = by_id(connection, share.id)
    assert changed is not None  # noqa: S101 -- shares that are changed are not deleted
    return changed


def revoke(connection: Connection, share: Share, *, now: int) -> bool:
    """Revoke a share, its links and leases; return False if it was revoked before."""
    changed = connection.execute(
        update(shares)
        .where(shares.c.id == share.id, shares.c.revoked.is_(None))
        .values(revoked=now)
    )
    return bool(changed.rowcount)


def items_of(connection: Connection, share_ids: Collection[str]) -> list[Item]:
    """Return the items of shares, by share and in the order of their addition."""
    query = (
        select(*ITEM)
        .outerjoin(uploads, uploads.c.id == share_items.c.upload_id)
        .where(share_items.c.share_id.in_(share_ids), share_items.c.removed.is_(None))
        .order_by(share_items.c.share_id, share_items.c.number)
    )
    return [Item(**row._asdict()) for row in connection.execute(query)]


def add_items(connection: Connection, share: Share, items: Sequence[NewItem]) -> None:
    """Add items to a share."""
    if not items:
        return
    last = connection.execute(
        select(func.max(share_items.c.number)).where(share_items.c.share_id == share.id)
    ).scalar()
    connection.execute(
        insert(share_items),
        [
            {"share_id": share.id, "number": number, **item._asdict()}
            for number, item in enumerate(items, start=(last or 0) + 1)
        ],
    )


def replace_items(
    connection: Connection, share: Share, items: Sequence[NewItem], *, now: int
) -> None:
    """Replace the items of a share; items that are in both lists keep their numbers."""
    wanted = {(item.upload_id, item.path): item for item in items}
    removed = [
        item.number
        for item in items_of(connection, [share.id])
        if wanted.pop((item.upload_id, item.path), None) is None
    ]
    # The rows of removed items stay, so that their numbers are not reused.
    connection.execute(
        update(share_items)
        .where(share_items.c.share_id == share.id, share_items.c.number.in_(removed))
        .values(removed=now)
    )
    add_items(connection, share, list(wanted.values()))


def remove_over(connection: Connection, *, before: int, limit: int) -> int:
    """Delete shares that ended before *before*, with all rows that belong to them.

    Return how many rows were deleted, *limit* at most per table.  Dependent rows are
    deleted first, one table per call; the shares are deleted by the last call.
    """
    ended = (shares.c.expires < before) | (shares.c.revoked < before)
    query = select(shares.c.id).where(ended).limit(limit)
    share_ids = list(connection.execute(query).scalars())
    links = select(recipients.c.id).where(recipients.c.share_id.in_(share_ids))
    lease_ids = select(leases.c.id).where(leases.c.recipient_id.in_(links))
    for key, belongs_to_shares in (
        (bookings.c.id, bookings.c.recipient_id.in_(links)),
        (lease_requests.c.id, lease_requests.c.lease_id.in_(lease_ids)),
        (leases.c.id, leases.c.recipient_id.in_(links)),
        (one_time_codes.c.recipient_id, one_time_codes.c.recipient_id.in_(links)),
        (outbox.c.id, outbox.c.recipient_id.in_(links)),
        (recipients.c.id, recipients.c.share_id.in_(share_ids)),
        (audit.c.id, audit.c.share_id.in_(share_ids)),
    ):
        keys = select(key).where(belongs_to_shares).limit(limit)
        deleted = connection.execute(delete(key.table).where(key.in_(keys))).rowcount
        if deleted:
            return deleted
    connection.execute(delete(share_items).where(share_items.c.share_id.in_(share_ids)))
    return connection.execute(delete(shares).where(shares.c.id.in_(share_ids))).rowcount


def _select() -> Any:  # noqa: ANN401 -- SQLAlchemy's Select of many columns
    private = {"idempotency_key", "idempotency_digest"}
    return select(*(column for column in shares.c if column.name not in private))


def _share(row: Row[Any]) -> Share:
    return Share(**row._asdict())
