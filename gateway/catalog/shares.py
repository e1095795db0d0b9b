"""Shares: permissions to fetch uploads, files and folders, and what they open."""

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
    """Whether a share opens what it holds; only an open one does."""

    OPEN = "open"
    EARLY = "early"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Share:
    """One share; times are Unix seconds.

    ``owner_id`` None is the operator's.  ``max_downloads`` of each link, ``expires``
    and ``not_before`` None are no limit.  ``has_otp`` tells that each lease needs a
    one-time code.
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
        """Tell whether it is open; what can never change back comes first."""
        if self.revoked is not None:
            return State.REVOKED
        if self.expires is not None and now >= self.expires:
            return State.EXPIRED
        if self.not_before is not None and now < self.not_before:
            return State.EARLY
        return State.OPEN


class NewItem(NamedTuple):
    """What a share is to open: an upload, or a file or folder of the tree."""

    name: str
    upload_id: str | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """What a share opens, under a number that no other item of the share ever had.

    It is an upload, or lies at ``path`` in the tree; a folder's ends in ``/``.
    ``blob``, ``size`` in bytes and ``media_type`` are its upload's: None if that was
    deleted, or there is none.
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
        """Tell whether it is a folder of the tree."""
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
    """A key of the client's for one request, and the digest of that request."""

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
    """Make a share without recipients and return it."""
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
    made = by_id(connection, share_id)
    assert made is not None  # noqa: S101 -- it was inserted above
    add_items(connection, made, items)
    return made


def by_id(connection: Connection, share_id: str) -> Share | None:
    """Return the share of that id, or None."""
    row = connection.execute(_select().where(shares.c.id == share_id)).one_or_none()
    return None if row is None else _share(row)


def by_key(connection: Connection, owner: User, key: Key) -> tuple[Share, bool] | None:
    """Return the share that *owner* made with that key, and whether by that request."""
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

    *after* is the ``created`` and ``id`` of the last one that is known already.
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
    """Give a share other values and return it with them."""
    if values:
        connection.execute(
            update(shares).where(shares.c.id == share.id).values(**values)
        )
    changed = by_id(connection, share.id)
    assert changed is not None  # noqa: S101 -- shares that are changed are not deleted
    return changed


def revoke(connection: Connection, share: Share, *, now: int) -> bool:
    """End a share, its links and downloads; tell whether nobody has done so before."""
    changed = connection.execute(
        update(shares)
        .where(shares.c.id == share.id, shares.c.revoked.is_(None))
        .values(revoked=now)
    )
    return bool(changed.rowcount)


def items_of(connection: Connection, share_ids: Collection[str]) -> list[Item]:
    """Return what shares open, each one's in the order in which it was added."""
    query = (
        select(*ITEM)
        .outerjoin(uploads, uploads.c.id == share_items.c.upload_id)
        .where(share_items.c.share_id.in_(share_ids), share_items.c.removed.is_(None))
        .order_by(share_items.c.share_id, share_items.c.number)
    )
    return [Item(**row._asdict()) for row in connection.execute(query)]


def add_items(connection: Connection, share: Share, items: Sequence[NewItem]) -> None:
    """Let a share open more."""
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
    """Let a share open these; what it opened before and goes on to stays."""
    wanted = {(item.upload_id, item.path): item for item in items}
    over = [
        item.number
        for item in items_of(connection, [share.id])
        if wanted.pop((item.upload_id, item.path), None) is None
    ]
    # Its row stays, so that its number is given to no other.
    connection.execute(
        update(share_items)
        .where(share_items.c.share_id == share.id, share_items.c.number.in_(over))
        .values(removed=now)
    )
    add_items(connection, share, list(wanted.values()))


def remove_over(connection: Connection, *, before: int, limit: int) -> int:
    """Delete shares that ended before that second, with all that hangs on them.

    Return how many rows were deleted, *limit* at most: what hangs on shares goes first,
    and the shares themselves in the last of several calls.
    """
    ended = (shares.c.expires < before) | (shares.c.revoked < before)
    query = select(shares.c.id).where(ended).limit(limit)
    found = list(connection.execute(query).scalars())
    links = select(recipients.c.id).where(recipients.c.share_id.in_(found))
    taken = select(leases.c.id).where(leases.c.recipient_id.in_(links))
    for key, hangs_on_them in (
        (bookings.c.id, bookings.c.recipient_id.in_(links)),
        (lease_requests.c.id, lease_requests.c.lease_id.in_(taken)),
        (leases.c.id, leases.c.recipient_id.in_(links)),
        (one_time_codes.c.recipient_id, one_time_codes.c.recipient_id.in_(links)),
        (outbox.c.id, outbox.c.recipient_id.in_(links)),
        (recipients.c.id, recipients.c.share_id.in_(found)),
        (audit.c.id, audit.c.share_id.in_(found)),
    ):
        some = select(key).where(hangs_on_them).limit(limit)
        gone = connection.execute(delete(key.table).where(key.in_(some))).rowcount
        if gone:
            return gone
    connection.execute(delete(share_items).where(share_items.c.share_id.in_(found)))
    return connection.execute(delete(shares).where(shares.c.id.in_(found))).rowcount


def _select() -> Any:  # noqa: ANN401 -- SQLAlchemy's Select of many columns
    private = {"idempotency_key", "idempotency_digest"}
    return select(*(column for column in shares.c if column.name not in private))


def _share(row: Row[Any]) -> Share:
    return Share(**row._asdict())
