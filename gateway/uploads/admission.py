"""Whether an upload may come, before its first byte is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.catalog import drops
from gateway.catalog import uploads as catalog
from gateway.catalog.drops import State
from gateway.errors import (
    DropOverError,
    NoSpaceError,
    OverQuotaError,
    TooLargeError,
    TooManyUploadsError,
    TypeRefusedError,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User
    from gateway.storage.blobs import BlobStore

#: Seconds that the bytes of an upload stay reserved at least, unless they are given
#: back: a killed nginx says nothing.
RESERVED_SECONDS: Final = 3600
# Bytes a second that a longer one brings at least: slower, it is counted again at
# its end.
_SLOWEST: Final = 100_000


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


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """What is known of an upload before it comes.

    ``reservation`` is the id that its room is reserved under until ``expires``
    (Unix seconds), ``size`` its bytes or None for a body without a length,
    which is counted at its end; ``media_type`` None is told by its end, too.
    ``here`` bytes need no room on the disk: they are there, or the upload was
    admitted before.
    """

    reservation: str
    size: int | None
    media_type: str | None
    expires: int
    drop: Drop | None = None
    here: int = 0


def reserved_until(size: int | None, *, now: int) -> int:
    """Return until when room is kept for a body of *size* bytes that begins now."""
    return now + max(RESERVED_SECONDS, (size or 0) // _SLOWEST)


@dataclass(frozen=True)
class Admission:
    """Decides whether an upload may come; ``gateway`` is the id of this one."""

    store: BlobStore
    limits: UploadLimits
    gateway: str = ""

    def admit(
        self, connection: Connection, user: User, coming: Announcement, *, now: int
    ) -> None:
        """Reserve room for what is coming, or raise why not.

        *connection* is in a write transaction.
        """
        size = coming.size or 0
        if coming.media_type is not None:
            self.check_type(coming.media_type, coming.drop)
        running = self.check_room(
            connection, user, size=size, drop=coming.drop, now=now, here=coming.here
        )
        if self.limits.running and running >= self.limits.running:
            raise TooManyUploadsError(self.limits.running)
        self._reserve(connection, user, coming)

    def admit_piece(
        self,
        connection: Connection,
        user: User,
        coming: Announcement,
        *,
        size: int,
        now: int,
    ) -> None:
        """Let *size* more bytes come of what has its room already, or raise why not.

        *connection* is in a write transaction.
        """
        # Its own reservation doesn't count against it.
        catalog.release(connection, coming.reservation)
        taken = catalog.usage(connection, user, now=now)
        if self.limits.running and taken.running >= self.limits.running:
            raise TooManyUploadsError(self.limits.running)
        self._check_disk(size + self._unwritten(taken))
        self._reserve(connection, user, coming)

    def admit_repeated(
        self, connection: Connection, user: User, coming: Announcement, *, now: int
    ) -> None:
        """Let what is stored already come once more, or raise why not.

        It will take no quota, and no place of its drop link; while it comes, it is
        on the disk.  *connection* is in a write transaction.
        """
        size = coming.size or 0
        coming = replace(coming, size=0, drop=None)
        self.admit_piece(connection, user, coming, size=size, now=now)

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
        taken = catalog.usage(connection, user, now=now)
        if drop is not None:
            _check_drop(connection, drop, now=now)
        if limits.user_quota and taken.by_user + size > limits.user_quota:
            raise OverQuotaError(limits.user_quota)
        if limits.quota and taken.by_all + size > limits.quota:
            raise OverQuotaError(limits.quota)
        self._check_disk(0 if is_here else size - here + self._unwritten(taken))
        return taken.running

    def _check_disk(self, coming: int) -> None:
        if self.store.free_bytes() - coming < self.limits.free_space:
            raise NoSpaceError

    def _unwritten(self, taken: catalog.Usage) -> int:
        """Return the bytes that others will still write.

        (!) A resumable upload that nobody goes on with is none of them: who has a
            drop link could keep the disk from everybody, without sending a byte.
            Each of its pieces has to find room anew.
        """
        # What has come of them is missing from the free bytes already.
        return max(0, taken.coming - self.store.spooled_bytes())

    def _reserve(
        self, connection: Connection, user: User, coming: Announcement
    ) -> None:
        catalog.reserve(
            connection,
            user,
            reservation=coming.reservation,
            size=coming.size or 0,
            expires=coming.expires,
            drop_id=coming.drop.id if coming.drop else None,
            gateway=self.gateway,
        )


def _check_drop(connection: Connection, drop: Drop, *, now: int) -> None:
    current = drops.by_id(connection, drop.id)
    if current is None or current.state(now=now) is not State.OPEN:
        raise DropOverError(drop.id)
    if current.max_uploads is not None:
        running = catalog.running_by_drop(connection, drop, now=now)
        if current.taken + running >= current.max_uploads:
            raise DropOverError(drop.id)


def _matches(media_type: str, patterns: tuple[str, ...]) -> bool:
    family = media_type.partition("/")[0] + "/*"
    return media_type in patterns or family in patterns
