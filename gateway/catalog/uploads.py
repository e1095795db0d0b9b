"""Uploads, and the reservations that keep parallel uploads within the quota."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from gateway.catalog import revocations
from gateway.catalog.reservations import (
    NOTHING,
    OUTSTANDING,
    RESERVED,
    count_where,
    is_running,
    reserved_bytes,
    sum_where,
)
from gateway.catalog.schema import (
    drops,
    reservations,
    totals,
    uploads,
    users,
)
from gateway.errors import NameTakenError, RepeatedUploadError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select

    from gateway.catalog.users import User


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One uploaded file; ``blob`` is its path below the blobs' folder."""

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
        """Raise RepeatedUploadError if its idempotency key is reused for another file.

        A *size* or *sha256* of None is not known, and not compared.
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
    """Stored and reserved bytes of a user and of all users, and running uploads."""

    by_user: int
    by_all: int
    reserved: int
    outstanding: int
    """Bytes reserved by running uploads and not yet on disk; see ``usage``."""
    running: int
    """The number of the user's running uploads."""


def usage(
    connection: Connection, user: User, *, now: int, gateway: str | None = None
) -> Usage:
    """Return the current usage; in a write transaction it is valid until the commit.

    With *gateway*, ``outstanding`` counts only the uploads that it has admitted.
    """
    stored = connection.execute(
        select(users.c.stored_bytes, totals.c.stored_bytes.label("by_all"))
        .join(totals, true())
        .where(users.c.id == user.id)
    ).one()
    is_of_user = reservations.c.owner_id == user.id
    running_now, size = is_running(now), reserved_bytes(now)
    is_of_gateway = true() if gateway is None else reservations.c.gateway == gateway
    reserved = connection.execute(
        select(
            func.coalesce(func.sum(size), 0).label("by_all"),
            sum_where(is_of_user, size).label("by_user"),
            sum_where(and_(running_now, is_of_gateway), OUTSTANDING).label(
                "outstanding"
            ),
            count_where(and_(is_of_user, running_now)).label("running"),
        )
        .select_from(RESERVED)
        .where(reservations.c.expires > now)
    ).one()
    return Usage(
        by_user=stored.stored_bytes + int(reserved.by_user),
        by_all=stored.by_all + int(reserved.by_all),
        reserved=int(reserved.by_all),
        outstanding=int(reserved.outstanding),
        running=reserved.running,
    )


def reserve(
    connection: Connection,
    user: User,
    *,
    reservation: str,
    size: int,
    expires: int,
    lapses: int | None = None,
    drop_id: str | None = None,
    gateway: str = "",
) -> None:
    """Reserve *size* bytes until they are received, or until *lapses*.

    The upload's slot is reserved until *expires*; without *lapses*, so are its bytes.
    *gateway* is the id of the gateway that admitted the upload.  A second reservation
    with the same id replaces the first.
    """
    release(connection, reservation)
    connection.execute(
        insert(reservations).values(
            id=reservation,
            owner_id=user.id,
            drop_id=drop_id,
            size=size,
            expires=expires,
            lapses=expires if lapses is None else lapses,
            gateway=gateway,
        )
    )


def extend(connection: Connection, reservation: str, *, expires: int) -> None:
    """Keep a reservation's slot until *expires*."""
    connection.execute(
        update(reservations)
        .where(reservations.c.id == reservation)
        .values(expires=expires)
    )


def release(connection: Connection, reservation: str) -> int:
    """Delete a reservation; return its ``lapses``, or NOTHING if there was none."""
    deleted = connection.execute(
        delete(reservations)
        .where(reservations.c.id == reservation)
        .returning(reservations.c.lapses)
    )
    return deleted.scalar_one_or_none() or NOTHING


def add(connection: Connection, upload: Upload) -> None:
    """Insert an upload; raise RepeatedUploadError for a used idempotency key."""
    try:
        connection.execute(insert(uploads).values(**vars(upload)))
    except IntegrityError:
        raise RepeatedUploadError(upload.idempotency_key or upload.id) from None
    _count(connection, upload, upload.size)


def remove(connection: Connection, upload: Upload) -> None:
    """Delete an upload's row; the caller deletes its blob afterwards."""
    deleted = connection.execute(delete(uploads).where(uploads.c.id == upload.id))
    if deleted.rowcount:
        _count(connection, upload, -upload.size)
    # Its revocation is not needed: links to a deleted upload open nothing, and its id
    # is never used again.
    revocations.remove(connection, revocations.of_upload(upload.id))


def by_id(connection: Connection, upload_id: str) -> Upload | None:
    """Return the upload with that id, or None."""
    return _first(connection, select(uploads).where(uploads.c.id == upload_id))


def by_idempotency_key(connection: Connection, user: User, key: str) -> Upload | None:
    """Return the user's upload with that key, or None."""
    return _first(
        connection,
        select(uploads).where(
            uploads.c.owner_id == user.id, uploads.c.idempotency_key == key
        ),
    )


def is_key_used(connection: Connection, user: User, key: str | None) -> bool:
    """Tell whether the user has an upload with that key; False for no key."""
    return key is not None and by_idempotency_key(connection, user, key) is not None


def require_new_name(connection: Connection, user: User, name: str) -> None:
    """Raise NameTakenError if the user has an upload of that name."""
    same_name = connection.execute(
        select(uploads.c.id)
        .where(uploads.c.owner_id == user.id, uploads.c.name == name)
        .limit(1)
    )
    if same_name.first() is not None:
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

    *after* is the ``created`` and ``id`` of the last upload on the previous page.  With
    *drop_id* only uploads through that drop link are returned.
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


def _count(connection: Connection, upload: Upload, size: int) -> None:
    connection.execute(
        update(users)
        .where(users.c.id == upload.owner_id)
        .values(stored_bytes=users.c.stored_bytes + size)
    )
    if upload.drop_id is not None:
        connection.execute(
            update(drops)
            .where(drops.c.id == upload.drop_id)
            .values(stored_bytes=drops.c.stored_bytes + size)
        )
    connection.execute(update(totals).values(stored_bytes=totals.c.stored_bytes + size))


def _first(connection: Connection, query: Select[Any]) -> Upload | None:
    row = connection.execute(query).one_or_none()
    return None if row is None else _upload(row)


def _upload(row: Row[Any]) -> Upload:
    return Upload(**row._asdict())
