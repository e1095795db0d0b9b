"""Drop links: people without an account upload files to the link's owner."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from gateway.catalog.ids import new_code_id, new_id
from gateway.catalog.schema import drops, reservations, upload_sessions

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, Row

    from gateway.catalog.users import User


#: Maximum number of files of a drop link without ``max_uploads``.
UPLOADS: Final = 1000
#: Maximum stored bytes of a drop link without ``max_total``.
BYTES: Final = 100 * 2**30


class State(StrEnum):
    """Whether a drop link accepts uploads; only an open link does."""

    OPEN = "open"
    FULL = "full"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class Drop:
    """One drop link; empty ``types`` allow all types, times are Unix seconds.

    None means UPLOADS for ``max_uploads``, BYTES for ``max_total``, and no limit for
    ``max_size`` and ``expires``.  ``taken`` is the number of uploaded files, including
    deleted files; ``stored_bytes`` is the size of the files that still exist.
    ``code_id`` is the id part of the link's code, None if the link was created before
    the server secret was introduced.
    """

    id: str
    owner_id: int
    title: str
    max_uploads: int | None
    taken: int
    max_size: int | None
    types: tuple[str, ...]
    created: int
    expires: int | None
    revoked: int | None
    code_id: str | None = None
    max_total: int | None = None
    stored_bytes: int = 0

    def state(self, *, now: int) -> State:
        """Return the state at *now*; final states take precedence over others."""
        if self.revoked is not None:
            return State.REVOKED
        if self.expires is not None and now >= self.expires:
            return State.EXPIRED
        if self.taken >= self.most_uploads:
            return State.FULL
        return State.OPEN

    @property
    def most_uploads(self) -> int:
        """The maximum number of files."""
        return UPLOADS if self.max_uploads is None else self.max_uploads

    @property
    def most_bytes(self) -> int:
        """The maximum number of stored bytes."""
        return BYTES if self.max_total is None else self.max_total

    @property
    def left(self) -> int | None:
        """The number of files that it still accepts; None without ``max_uploads``."""
        return (
            None if self.max_uploads is None else max(0, self.max_uploads - self.taken)
        )


def new(
    connection: Connection,
    owner: User,
    *,
    title: str,
    max_uploads: int | None,
    max_size: int | None,
    types: tuple[str, ...],
    expires: int | None,
    now: int,
    max_total: int | None = None,
) -> Drop:
    """Insert a drop link of *owner* and return it."""
    drop_id = new_id()
    connection.execute(
        insert(drops).values(
            id=drop_id,
            owner_id=owner.id,
            title=title,
            max_uploads=max_uploads,
            taken=0,
            max_size=max_size,
            max_total=max_total,
            stored_bytes=0,
            types=" ".join(types),
            created=now,
            expires=expires,
            code_id=new_code_id(),
        )
    )
    drop = by_id(connection, drop_id)
    assert drop is not None  # noqa: S101 -- it was inserted above
    return drop


def by_id(connection: Connection, drop_id: str) -> Drop | None:
    """Return the drop link with that id, or None."""
    row = connection.execute(select(drops).where(drops.c.id == drop_id)).one_or_none()
    return None if row is None else _drop(row)


def by_code_id(connection: Connection, code_id: str) -> Drop | None:
    """Return the drop link whose code has that id, or None."""
    query = select(drops).where(drops.c.code_id == code_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _drop(row)


def newest(
    connection: Connection,
    owner: User | None,
    *,
    limit: int,
    after: tuple[int, str] | None = None,
) -> list[Drop]:
    """Return a user's drop links, or everybody's, newest first.

    *after* is the ``created`` and ``id`` of the last link on the previous page.
    """
    query = select(drops).order_by(drops.c.created.desc(), drops.c.id)
    if owner is not None:
        query = query.where(drops.c.owner_id == owner.id)
    if after is not None:
        created, drop_id = after
        query = query.where(
            (drops.c.created < created)
            | ((drops.c.created == created) & (drops.c.id > drop_id))
        )
    return [_drop(row) for row in connection.execute(query.limit(limit))]


def titles(connection: Connection, drop_ids: Collection[str]) -> dict[str, str]:
    """Return the titles of drop links, by their ids."""
    query = select(drops.c.id, drops.c.title).where(drops.c.id.in_(drop_ids))
    return {row.id: row.title for row in connection.execute(query)}


def count_upload(connection: Connection, drop: Drop) -> None:
    """Count one more upload through *drop*."""
    connection.execute(
        update(drops).where(drops.c.id == drop.id).values(taken=drops.c.taken + 1)
    )


def revoke(connection: Connection, drop: Drop, *, now: int) -> None:
    """Revoke a drop link and end its running uploads; do nothing if it is revoked."""
    connection.execute(
        update(drops)
        .where(drops.c.id == drop.id, drops.c.revoked.is_(None))
        .values(revoked=now)
    )
    connection.execute(delete(reservations).where(reservations.c.drop_id == drop.id))
    # Housekeeping deletes expired sessions with their files.
    connection.execute(
        update(upload_sessions)
        .where(upload_sessions.c.drop_id == drop.id, upload_sessions.c.expires > now)
        .values(expires=now)
    )


def _drop(row: Row[Any]) -> Drop:
    fields = row._asdict()
    fields["types"] = tuple(row.types.split())
    return Drop(**fields)
