"""Uploads, and the reservations that keep parallel ones within the quota."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, delete, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from gateway.catalog import revocations
from gateway.catalog.schema import partials, reservations, totals, uploads, users
from gateway.errors import NameTakenError, RepeatedUploadError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row, Select

    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User

# A resumable upload holds its room for days; it runs while bytes of it come.
_RESERVED: Final = reservations.outerjoin(partials, partials.c.id == reservations.c.id)
_COMING: Final = reservations.c.size - func.coalesce(partials.c.synced, 0)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One file that came in; ``blob`` is its path below the blobs' folder."""

    id: str
    owner_id: int
    name: str
    size: int
    media_type: str
    blob: str
    sha256: bytes | None
    created: int
    drop_id: str | None = None
    delete_after: int | None = None
    idempotency_key: str | None = None

    def check_repeated(
        self, *, name: str, size: int | None, sha256: bytes | None
    ) -> None:
        """Raise RepeatedUploadError if what comes under its key again is another.

        None is not known.
        """
        is_same = (
            name == self.name
            and size in {None, self.size}
            and (sha256 is None or self.sha256 in {None, sha256})
        )
        if not is_same:
            raise RepeatedUploadError(self.idempotency_key or self.id)


@dataclass(frozen=True)
class Usage:
    """Bytes that are taken, or reserved for uploads that are not whole yet."""

    by_user: int
    by_all: int
    reserved: int
    coming: int
    """What of them is promised to uploads that run, and is not synced."""
    running: int
    """How many uploads the user has running."""


def usage(connection: Connection, user: User, *, now: int) -> Usage:
    """Count what is taken; in a write transaction that stays true until the commit."""
    stored = connection.execute(
        select(users.c.stored_bytes, totals.c.stored_bytes.label("by_all"))
        .join(totals, true())
        .where(users.c.id == user.id)
    ).one()
    is_ours = reservations.c.owner_id == user.id
    is_running = or_(
        partials.c.id.is_(None),
        and_(partials.c.turn != "", partials.c.turn_expires > now),
    )
    reserved = connection.execute(
        select(
            func.coalesce(func.sum(reservations.c.size), 0).label("by_all"),
            _sum(is_ours, reservations.c.size).label("by_user"),
            _sum(is_running, _COMING).label("coming"),
            func.count(case((and_(is_ours, is_running), 1))).label("running"),
        )
        .select_from(_RESERVED)
        .where(reservations.c.expires > now)
    ).one()
    return Usage(
        by_user=stored.stored_bytes + int(reserved.by_user),
        by_all=stored.by_all + int(reserved.by_all),
        reserved=int(reserved.by_all),
        coming=int(reserved.coming),
        running=reserved.running,
    )


def running_by_drop(connection: Connection, drop: Drop, *, now: int) -> int:
    """Return how many uploads are on their way by *drop*."""
    return connection.execute(
        select(func.count()).where(
            reservations.c.drop_id == drop.id, reservations.c.expires > now
        )
    ).scalar_one()


def reserve(
    connection: Connection,
    user: User,
    *,
    reservation: str,
    size: int,
    expires: int,
    drop_id: str | None = None,
    gateway: str = "",
) -> None:
    """Count *size* bytes as taken until they have come, or *expires*.

    *gateway* has let them in.  A second reservation of the same id takes the place of
    the first.
    """
    release(connection, reservation)
    connection.execute(
        insert(reservations).values(
            id=reservation,
            owner_id=user.id,
            drop_id=drop_id,
            size=size,
            expires=expires,
            gateway=gateway,
        )
    )


def extend(connection: Connection, reservation: str, *, expires: int) -> None:
    """Keep a reservation until *expires*."""
    connection.execute(
        update(reservations)
        .where(reservations.c.id == reservation)
        .values(expires=expires)
    )


def release(connection: Connection, reservation: str) -> None:
    """Count a reservation no longer."""
    connection.execute(delete(reservations).where(reservations.c.id == reservation))


def add(connection: Connection, upload: Upload) -> None:
    """Write an upload down; raise RepeatedUploadError for a used idempotency key."""
    try:
        connection.execute(insert(uploads).values(**vars(upload)))
    except IntegrityError:
        raise RepeatedUploadError(upload.idempotency_key or upload.id) from None
    _count(connection, upload.owner_id, upload.size)


def remove(connection: Connection, upload: Upload) -> None:
    """Strike an upload out; its blob is the caller's to delete, afterwards."""
    gone = connection.execute(delete(uploads).where(uploads.c.id == upload.id))
    if gone.rowcount:
        _count(connection, upload.owner_id, -upload.size)
    # No link to it opens anything now, and no other upload gets its id.
    revocations.forget(connection, revocations.of_upload(upload.id))


def by_id(connection: Connection, upload_id: str) -> Upload | None:
    """Return the upload of that id, or None."""
    return _one(connection, select(uploads).where(uploads.c.id == upload_id))


def by_idempotency_key(connection: Connection, user: User, key: str) -> Upload | None:
    """Return the upload that the user made with that key, or None."""
    return _one(
        connection,
        select(uploads).where(
            uploads.c.owner_id == user.id, uploads.c.idempotency_key == key
        ),
    )


def is_key_used(connection: Connection, user: User, key: str | None) -> bool:
    """Tell whether the user has made an upload with that key, if there is one."""
    return key is not None and by_idempotency_key(connection, user, key) is not None


def require_new_name(connection: Connection, user: User, name: str) -> None:
    """Raise NameTakenError if the user has an upload of that name."""
    found = connection.execute(
        select(uploads.c.id)
        .where(uploads.c.owner_id == user.id, uploads.c.name == name)
        .limit(1)
    )
    if found.first() is not None:
        raise NameTakenError


def newest(
    connection: Connection,
    user: User | None,
    *,
    limit: int,
    after: tuple[int, str] | None = None,
    drop_id: str | None = None,
) -> list[Upload]:
    """Return a user's uploads, or everybody's, newest first.

    *after* is the ``created`` and ``id`` of the last one that is known already,
    *drop_id* the drop link that they came by.
    """
    query = select(uploads).order_by(uploads.c.created.desc(), uploads.c.id)
    if user is not None:
        query = query.where(uploads.c.owner_id == user.id)
    if drop_id is not None:
        query = query.where(uploads.c.drop_id == drop_id)
    if after is not None:
        created, upload_id = after
        query = query.where(
            (uploads.c.created < created)
            | ((uploads.c.created == created) & (uploads.c.id > upload_id))
        )
    return [_upload(row) for row in connection.execute(query.limit(limit))]


def _count(connection: Connection, user_id: int, size: int) -> None:
    connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(stored_bytes=users.c.stored_bytes + size)
    )
    connection.execute(update(totals).values(stored_bytes=totals.c.stored_bytes + size))


def _sum(
    condition: ColumnElement[bool], value: ColumnElement[int]
) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, value))), 0)


def _one(connection: Connection, query: Select[Any]) -> Upload | None:
    row = connection.execute(query).one_or_none()
    return None if row is None else _upload(row)


def _upload(row: Row[Any]) -> Upload:
    return Upload(**row._asdict())
