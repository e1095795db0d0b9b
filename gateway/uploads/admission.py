"""Admission: decides whether an upload is accepted, before its body is read."""

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
from gateway.uploads.drop_budgets import check_quotas, check_running
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
    """The operator's limits.

    ``size``, ``quota``, ``user_quota`` and ``free_space`` are in bytes, 0 for no
    limit; ``running`` is uploads at a time per user, 0 for no limit.  Types are exact
    media types or ``image/*``; an empty ``types`` allows every type.
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
    """Accepts or refuses uploads; ``gateway`` is this gateway's id.

    If all gateways share the store, each leaves room on its disk for the uploads of
    all; otherwise only for its own.
    """

    store: BlobStore
    limits: UploadLimits
    gateway: str = ""
    shares_store: bool = True

    def admit(
        self,
        connection: Connection,
        user: User,
        upload_request: UploadRequest,
        *,
        now: int,
    ) -> None:
        """Reserve space for an upload, or raise the error that refuses it.

        *connection* is in a write transaction.
        """
        if upload_request.media_type is not None:
            self.check_type(upload_request.media_type, upload_request.drop)
        with self._assumed_size(upload_request.size) as size:
            running = self.check_limits(
                connection,
                user,
                size=size,
                drop=upload_request.drop,
                now=now,
                bytes_on_disk=upload_request.bytes_on_disk,
            )
            self._check_running(connection, upload_request, running, now=now)
        lapses = reserved_until(size, now=now)
        self._reserve(
            connection, user, upload_request, size=size, lapses=lapses, now=now
        )

    def admit_chunk(
        self,
        connection: Connection,
        user: User,
        upload_request: UploadRequest,
        *,
        size: int,
        now: int,
    ) -> None:
        """Admit a chunk of *size* bytes, or raise the error that refuses it.

        If the upload's reservation has lapsed, the whole upload is admitted again.
        *connection* is in a write transaction.
        """
        # Released first: an upload's own reservation must not count against it.
        lapses = uploads.release(connection, upload_request.reservation)
        if lapses <= now:
            self.admit(connection, user, upload_request, now=now)
            return
        self._check_running_and_disk(
            connection, user, upload_request, size=size, now=now
        )
        self._reserve(
            connection,
            user,
            upload_request,
            size=upload_request.size or 0,
            lapses=lapses,
            now=now,
        )

    def admit_repeated(
        self,
        connection: Connection,
        user: User,
        upload_request: UploadRequest,
        *,
        now: int,
    ) -> None:
        """Admit a repeated upload whose file is already stored, or raise an error.

        A repeated upload counts against no quota and no drop link's number of files,
        but its body takes disk space while it is received.  (!) It needs a length:
        without one, the body could be longer than the stored file.  *connection* is
        in a write transaction.
        """
        if upload_request.size is None:
            raise LengthRequiredError
        self._check_running_and_disk(
            connection, user, upload_request, size=upload_request.size, now=now
        )
        self._reserve(
            connection,
            user,
            upload_request,
            size=upload_request.size,
            lapses=NOTHING,
            now=now,
        )

    @contextmanager
    def _assumed_size(self, length: int | None) -> Iterator[int]:
        """Yield the body's *length* or, without one, the largest size nginx accepts.

        If there is no space for the largest size, raise LengthRequiredError: the same
        body may be accepted once the client sends its length.
        """
        if length is not None:
            yield length
            return
        if not self.limits.size:
            raise LengthRequiredError
        try:
            yield self.limits.size
        except (TooLargeError, OverQuotaError, NoSpaceError):
            raise LengthRequiredError from None

    def _check_running_and_disk(
        self,
        connection: Connection,
        user: User,
        upload_request: UploadRequest,
        *,
        size: int,
        now: int,
    ) -> None:
        """Check running uploads and disk space for *size* bytes, but no quota.

        The quotas already count these bytes.
        """
        usage = self._usage(connection, user, now=now)
        self._check_running(connection, upload_request, usage.running, now=now)
        self._check_disk(size + self._unwritten(usage))

    def _check_running(
        self,
        connection: Connection,
        upload_request: UploadRequest,
        running: int,
        *,
        now: int,
    ) -> None:
        """Raise TooManyUploadsError if user or drop link has too many running uploads.

        *running* is the number of the user's running uploads.
        """
        limit = self.limits.running
        if limit and running >= limit:
            raise TooManyUploadsError(limit)
        if upload_request.drop is not None:
            taken = budgets.taken(connection, upload_request.drop, now=now)
            check_running(taken, limit, is_session=upload_request.expires is not None)

    def check_type(self, media_type: str, drop: Drop | None) -> None:
        """Raise TypeRefusedError if the operator or *drop* refuses *media_type*."""
        for allowed in (self.limits.types, drop.types if drop else ()):
            if allowed and not _matches(media_type, allowed):
                raise TypeRefusedError(media_type)
        if _matches(media_type, self.limits.denied_types):
            raise TypeRefusedError(media_type)

    def check_limits(
        self,
        connection: Connection,
        user: User,
        *,
        size: int,
        drop: Drop | None,
        now: int,
        bytes_on_disk: int = 0,
        is_on_disk: bool = False,
    ) -> int:
        """Check size, quotas and disk space for an upload of *size* bytes.

        Return the number of the user's running uploads.  Raise TooLargeError,
        OverQuotaError or NoSpaceError, or DropOverError if *drop* accepts no further
        file.  Disk space is not checked for *bytes_on_disk*, and not at all if
        *is_on_disk*.
        """
        limits = self.limits
        for limit in (limits.size, drop.max_size if drop else None):
            if limit and size > limit:
                raise TooLargeError(limit)
        usage = self._usage(connection, user, now=now)
        if drop is not None:
            self._check_drop(connection, drop, size=size, now=now)
        if limits.user_quota and usage.by_user + size > limits.user_quota:
            raise OverQuotaError(limits.user_quota)
        if limits.quota and usage.by_all + size > limits.quota:
            raise OverQuotaError(limits.quota)
        self._check_disk(
            0 if is_on_disk else size - bytes_on_disk + self._unwritten(usage)
        )
        return usage.running

    def _check_drop(
        self, connection: Connection, drop: Drop, *, size: int, now: int
    ) -> None:
        current = drops.by_id(connection, drop.id)
        if current is None or current.state(now=now) is not State.OPEN:
            raise DropOverError(drop.id)
        quotas = filter(None, (self.limits.user_quota, self.limits.quota))
        check_quotas(
            budgets.taken(connection, current, now=now),
            current,
            size=size,
            quota=min(quotas, default=0),
        )

    def _check_disk(self, size: int) -> None:
        if self.store.free_bytes() - size < self.limits.free_space:
            raise NoSpaceError

    def _usage(self, connection: Connection, user: User, *, now: int) -> uploads.Usage:
        gateway = None if self.shares_store else self.gateway
        return uploads.usage(connection, user, now=now, gateway=gateway)

    def _unwritten(self, usage: uploads.Usage) -> int:
        """Return the bytes that running uploads will still write.

        (!) Idle upload sessions do not count: otherwise anybody with a drop link could
            reserve the whole disk without sending a byte.  The free space is checked
            again for each chunk of an upload session.
        """
        # Spooled bytes are already missing from the free bytes.
        return max(0, usage.outstanding - self.store.spooled_bytes())

    def _reserve(
        self,
        connection: Connection,
        user: User,
        upload_request: UploadRequest,
        *,
        size: int,
        lapses: int,
        now: int,
    ) -> None:
        if upload_request.expires is None:
            expires = reserved_until(size, now=now)
        else:
            expires = upload_request.expires
        uploads.reserve(
            connection,
            user,
            reservation=upload_request.reservation,
            size=size,
            expires=expires,
            lapses=lapses,
            drop_id=upload_request.drop.id if upload_request.drop else None,
            gateway=self.gateway,
        )


def _matches(media_type: str, patterns: tuple[str, ...]) -> bool:
    family = media_type.partition("/")[0] + "/*"
    return media_type in patterns or family in patterns
