"""Housekeeping: delete expired data and crash leftovers.

Rows are deleted first, in short transactions, and their files afterwards: a kill at any
moment leaves at most a file without a row, which the next round finds.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.catalog import (
    bookings,
    expiry,
    leases,
    login_attempts,
    one_time_codes,
    shares,
    upload_sessions,
)
from gateway.catalog.advisory_locks import Lock
from gateway.errors import CatalogBusyError, HousekeepingError, LockedError
from gateway.maintenance import digests, orphans
from gateway.polling import attempts
from gateway.storage import leftovers
from gateway.storage.locks import try_lock
from gateway.storage.session_files import SessionFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.advisory_locks import AdvisoryLocks
    from gateway.catalog.database import Database
    from gateway.shares.booking import Booker
    from gateway.storage.blobs import Blobs, BlobStore

#: Maximum rows per transaction that may use the disk reserve: they must fit into it.
_BATCH: Final = 20
#: Maximum rows per transaction that may not use the reserve.
_ROWS: Final = 500
#: Maximum expired upload sessions per round.
_SESSIONS: Final = 1000
_LOCK_STEP: Final = 0.1
_DAY: Final = 86_400
#: Seconds to keep the booked end of a request whose beginning is not recorded yet.
_EARLY: Final = 3600
#: Seconds after which a request without a booked end is deleted: none takes longer.
_LOST: Final = 7 * _DAY


@contextmanager
def maintenance_lock(
    store: BlobStore, locks: AdvisoryLocks | None, *, patience: float
) -> Iterator[None]:
    """Keep out other maintenance; wait up to *patience* seconds for it.

    It may run on any machine with *locks*, else on this machine only.  Raise
    HousekeepingError if another process holds the lock longer.
    """
    if locks is None:
        with _local_lock(store, patience=patience):
            yield
        return
    tries = attempts(patience, every=_LOCK_STEP)
    if not any(locks.try_lock(Lock.MAINTENANCE) for _ in tries):
        raise HousekeepingError("another housekeeper is busy with the catalog")
    try:
        yield
    finally:
        with suppress(CatalogBusyError):  # then the lock has ended with its connection
            locks.unlock(Lock.MAINTENANCE)


@contextmanager
def _local_lock(store: BlobStore, *, patience: float) -> Iterator[None]:
    descriptor = os.open(store.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not any(try_lock(descriptor) for _ in attempts(patience, every=_LOCK_STEP)):
            raise HousekeepingError(f"another housekeeper is busy in {store.root}")
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a round: counts by kind of work, and messages of failures."""

    done: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Housekeeper:
    """Cleans up one store, its blobs and its catalog.

    Work on files that only this gateway uses is *local*.  Several gateways on one
    catalog each do their local work, and one of them does the rest for all.

    ``log`` gets one line per kind of work done.  ``is_stopped`` is called between units
    of work.  A file without a row is kept for ``grace`` seconds.  ``booker`` books the
    ledger; with None, another thread books it.  A share and its bookings are kept for
    ``ledger_days`` after the share has ended.
    """

    database: Database
    store: BlobStore
    blobs: Blobs
    log: Callable[[str], None]
    is_stopped: Callable[[], bool] = bool
    grace: int = orphans.GRACE
    booker: Booker | None = None
    ledger_days: int = 90

    def round(
        self, *, now: int, with_sweep: bool = True, is_local: bool = False
    ) -> Report:
        """Do all work that is due; failed work is reported and retried next round.

        With *with_sweep*, also search all blobs for orphans.  If *is_local*, do only
        this gateway's own work.
        """
        report = Report()
        works = (
            self._local_work(now)
            if is_local
            else self._work(now, with_sweep=with_sweep)
        )
        for name, work in works:
            if self.is_stopped():
                break
            done = 0
            try:
                for count in work:
                    done += count
            except Exception as error:  # noqa: BLE001 -- serving must continue
                report.faults.append(f"{name}: {type(error).__name__}: {error}")
                self.log(f"failed, to be tried again: {report.faults[-1]}")
            if done:
                report.done[name] = done
                self.log(f"{name}: {done}")
        return report

    def _work(
        self, now: int, *, with_sweep: bool
    ) -> Iterator[tuple[str, Iterator[int]]]:
        yield "expired upload sessions deleted", self._sessions(now)
        yield "expired uploads deleted", self._uploads(now)
        # Sweep before deleting spool files: if a spool file is hard linked to a blob,
        # deleting it updates the blob's ctime, and the blob looks new again.
        if with_sweep:
            sweep = orphans.Sweep(
                self.database,
                self.store,
                self.blobs,
                now,
                self.grace,
                self.is_stopped,
            )
            yield "blobs restored from the trash", sweep.put_back()
            moved = "moved to the trash" if self.blobs.has_trash else "deleted"
            yield f"orphaned blobs {moved}", sweep.move()
            yield "blobs deleted from the trash", sweep.empty()
        yield from self._local_work(now)
        if self.database.reserve is None or not self.database.reserve.is_short():
            # Skipped on a full disk: only work that frees space may use the reserve.
            yield (
                "reservations, sessions, login attempts and revocations deleted",
                self._rows(now),
            )
            yield "shares, leases and bookings deleted", self._shares(now)
        yield (
            "digests recorded",
            digests.record(self.database, self.blobs, is_stopped=self.is_stopped),
        )
        yield "disk reserves allocated", self._reserve()

    def _local_work(self, now: int) -> Iterator[tuple[str, Iterator[int]]]:
        if self.booker is not None:
            yield "ledger lines booked", iter([self.booker.round(now=now)])
        # Several gateways that share a store find the same files here: who is later
        # finds none.
        yield "orphaned session files deleted", self._session_files(now)
        yield "spool leftovers deleted", self._spool(now)

    def _sessions(self, now: int) -> Iterator[int]:
        with self.database.read() as connection:
            expired = upload_sessions.expired(connection, now=now, limit=_SESSIONS)
        files = SessionFiles(self.store)
        for session in expired:
            if self.is_stopped():
                return
            # A session with an active request is left for the next round.
            with suppress(LockedError), files.lock(session.id) as file:
                with self.database.write(may_use_reserve=True) as connection:
                    is_deleted = expiry.remove_if_expired(
                        connection, session.id, now=now
                    )
                if is_deleted:
                    file.remove()
                yield int(is_deleted)

    def _uploads(self, now: int) -> Iterator[int]:
        """Delete uploads until a bucket fails: each object that is left is an orphan.

        (!) More orphans than a crash can leave end all sweeps.
        """
        batch = _BATCH if self.blobs.has_trash else 1
        while not self.is_stopped():
            if not self.blobs.has_trash:
                # It raises BucketBusyError before the rows are deleted.
                self.blobs.is_writable()
            with self.database.write(may_use_reserve=True) as connection:
                deleted = expiry.remove_due(connection, now=now, limit=batch)
            are_gone = [self.blobs.discard(upload.blob) for upload in deleted]
            yield len(deleted)
            if not all(are_gone):
                raise HousekeepingError("the bucket deletes no object")
            if not deleted:
                return

    def _spool(self, now: int) -> Iterator[int]:
        for path in leftovers.spool_files(self.store, now=now, grace=self.grace):
            path.unlink(missing_ok=True)
            yield 1

    def _rows(self, now: int) -> Iterator[int]:
        before = now - login_attempts.MEMORY
        while not self.is_stopped():
            with self.database.write() as connection:
                deleted = (
                    expiry.remove_expired_reservations(
                        connection, now=now, limit=_BATCH
                    )
                    + expiry.remove_expired_login_sessions(
                        connection, now=now, limit=_BATCH
                    )
                    + expiry.remove_old_login_attempts(
                        connection, before=before, limit=_BATCH
                    )
                    + expiry.remove_old_revocations(connection, now=now, limit=_BATCH)
                )
            yield deleted
            if not deleted:
                return

    def _shares(self, now: int) -> Iterator[int]:
        before = now - self.ledger_days * _DAY
        for delete, until in (
            (leases.remove_over, now),
            (one_time_codes.remove_over, now),
            (bookings.remove_early, now - _EARLY),
            (bookings.remove_lost, now - _LOST),
            (bookings.remove_old_uses, before),
            (shares.remove_over, before),
        ):
            deleted = 1
            while deleted and not self.is_stopped():
                with self.database.write() as connection:
                    deleted = delete(connection, before=until, limit=_ROWS)
                yield deleted

    def _session_files(self, now: int) -> Iterator[int]:
        for name in orphans.find_session_files(
            self.database, self.store, now=now, grace=self.grace
        ):
            (self.store.sessions / name).unlink(missing_ok=True)
            yield 1

    def _reserve(self) -> Iterator[int]:
        reserve = self.database.reserve
        if reserve is not None and not reserve.is_allocated():
            yield int(reserve.allocate())
