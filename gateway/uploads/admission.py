"""Whether an upload may come, before its first byte is read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.catalog import budgets, drops, uploads
from gateway.catalog.drops import State
from gateway.catalog.reservations import NOTHING
from gateway.errors import (
    DropOverError,
    LengthRequiredError,
    NoSpaceError,
    OverQuotaError,
    TooLargeError,
    TooManyUploadsError,
    TypeRefusedError,
)
from gateway.uploads.drop_budgets import check_places, check_room
from gateway.uploads.upload_request import reserved_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User
    from gateway.storage.blobs import BlobStore
    from gateway.uploads.upload_request import UploadRequest


@dataclass(frozen=True, kw_only=True)
class UploadLimits:
    """What the operator allows: bytes, and media types by exact name or ``image/*``.

    0 bytes mean no limit; no types mean every type.
    """

    size: int
    quota: int
    user_quota: int
    free_space: int
    running: int
    types: tuple[str, ...] = ()
    denied_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Admission:
    """Decides whether an upload may come; ``gateway`` is the id of this one."""

    store: BlobStore
    limits: UploadLimits
    gateway: str = ""

    def admit(
        self, connection: Connection, user: User, coming: UploadRequest, *, now: int
    ) -> None:
        """Reserve room for what is coming, or raise why not.

        *connection* is in a write transaction.
        """
        if coming.media_type is not None:
            self.check_type(coming.media_type, coming.drop)
        with self._at_most(coming.size) as size:
            running = self.check_room(
                connection, user, size=size, drop=coming.drop, now=now, here=coming.here
            )
            self._check_places(connection, coming, running, now=now)
        lapses = reserved_until(size, now=now)
        self._reserve(connection, user, coming, size=size, lapses=lapses, now=now)

    def admit_chunk(
        self,
        connection: Connection,
        user: User,
        coming: UploadRequest,
        *,
        size: int,
        now: int,
    ) -> None:
        """Let *size* more bytes come of a resumable upload, or raise why not.

        One whose reservation has lapsed is admitted anew.  *connection* is in a
        write transaction.
        """
        # Its own reservation doesn't count against it.
        lapses = uploads.release(connection, coming.reservation)
        if lapses <= now:
            self.admit(connection, user, coming, now=now)
            return
        self._check_coming(connection, user, coming, size=size, now=now)
        self._reserve(
            connection, user, coming, size=coming.size or 0, lapses=lapses, now=now
        )

    def admit_repeated(
        self, connection: Connection, user: User, coming: UploadRequest, *, now: int
    ) -> None:
        """Let what is stored already come once more, or raise why not.

        It will take no quota, and no file of its drop link; while it comes, it is
        on the disk.  (!) Without a length nothing tells that it is no longer than what
        is stored.  *connection* is in a write transaction.
        """
        if coming.size is None:
            raise LengthRequiredError
        self._check_coming(connection, user, coming, size=coming.size, now=now)
        self._reserve(
            connection, user, coming, size=coming.size, lapses=NOTHING, now=now
        )

    @contextmanager
    def _at_most(self, said: int | None) -> Iterator[int]:
        """Give how many bytes a body has at most that says that length, or none.

        Without one these are as many as nginx lets through.  If they find no room,
        LengthRequiredError is raised: a body that says less may.
        """
        if said is not None:
            yield said
            return
        if not self.limits.size:
            raise LengthRequiredError
        try:
            yield self.limits.size
        except (TooLargeError, OverQuotaError, NoSpaceError):
            raise LengthRequiredError from None

    def _check_coming(
        self,
        connection: Connection,
        user: User,
        coming: UploadRequest,
        *,
        size: int,
        now: int,
    ) -> None:
        """Raise why *size* bytes may not come that no quota counts once more."""
        taken = uploads.usage(connection, user, now=now)
        self._check_places(connection, coming, taken.running, now=now)
        self._check_disk(size + self._unwritten(taken))

    def _check_places(
        self, connection: Connection, coming: UploadRequest, running: int, *, now: int
    ) -> None:
        """Raise TooManyUploadsError if there is no place for one more at a time."""
        most = self.limits.running
        if most and running >= most:
            raise TooManyUploadsError(most)
        if coming.drop is not None:
            taken = budgets.taken(connection, coming.drop, now=now)
            check_places(taken, most, is_session=coming.expires is not None)

    def check_type(self, media_type: str, drop: Drop | None) -> None:
        """Raise TypeRefusedError for a type that operator or *drop* does not take."""
        for allowed in (self.limits.types, drop.types if drop else ()):
            if allowed and not _matches(media_type, allowed):
                raise TypeRefusedError(media_type)
        if _matches(media_type, self.limits.denied_types):
            raise TypeRefusedError(media_type)

    def check_room(
        self,
        connection: Connection,
        user: User,
        *,
        size: int,
        drop: Drop | None,
        now: int,
        here: int = 0,
        is_here: bool = False,
    ) -> int:
        """Return how many uploads the user has running.

        Raise TooLargeError, OverQuotaError or NoSpaceError for *size* bytes
        more, DropOverError for one file more than *drop* takes.  Bytes that are
        on the disk already need no room there: *here*, or all (*is_here*).
        """
        limits = self.limits
        for limit in (limits.size, drop.max_size if drop else None):
            if limit and size > limit:
                raise TooLargeError(limit)
        taken = uploads.usage(connection, user, now=now)
        if drop is not None:
            self._check_drop(connection, drop, size=size, now=now)
        if limits.user_quota and taken.by_user + size > limits.user_quota:
            raise OverQuotaError(limits.user_quota)
        if limits.quota and taken.by_all + size > limits.quota:
            raise OverQuotaError(limits.quota)
        self._check_disk(0 if is_here else size - here + self._unwritten(taken))
        return taken.running

    def _check_drop(
        self, connection: Connection, drop: Drop, *, size: int, now: int
    ) -> None:
        current = drops.by_id(connection, drop.id)
        if current is None or current.state(now=now) is not State.OPEN:
            raise DropOverError(drop.id)
        quotas = filter(None, (self.limits.user_quota, self.limits.quota))
        check_room(
            budgets.taken(connection, current, now=now),
            current,
            size=size,
            quota=min(quotas, default=0),
        )

    def _check_disk(self, coming: int) -> None:
        if self.store.free_bytes() - coming < self.limits.free_space:
            raise NoSpaceError

    def _unwritten(self, taken: uploads.Usage) -> int:
        """Return the bytes that others will still write.

        (!) A resumable upload that nobody goes on with is none of them: who has a
            drop link could keep the disk from everybody, without sending a byte.
            Each of its chunks has to find room anew.
        """
        # What has come of them is missing from the free bytes already.
        return max(0, taken.outstanding - self.store.spooled_bytes())

    def _reserve(
        self,
        connection: Connection,
        user: User,
        coming: UploadRequest,
        *,
        size: int,
        lapses: int,
        now: int,
    ) -> None:
        if coming.expires is None:
            expires = reserved_until(size, now=now)
        else:
            expires = coming.expires
        uploads.reserve(
            connection,
            user,
            reservation=coming.reservation,
            size=size,
            expires=expires,
            lapses=lapses,
            drop_id=coming.drop.id if coming.drop else None,
            gateway=self.gateway,
        )


def _matches(media_type: str, patterns: tuple[str, ...]) -> bool:
    family = media_type.partition("/")[0] + "/*"
    return media_type in patterns or family in patterns
