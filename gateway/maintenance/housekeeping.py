"""Housekeeping: what time has made void goes, and what crashes left.

Rows go first, in short transactions, and their files afterwards: a kill at any
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
from gateway.errors import HousekeepingError, LockedError
from gateway.maintenance import digests, orphans
from gateway.polling import attempts
from gateway.storage import leftovers
from gateway.storage.locks import try_lock
from gateway.storage.session_files import SessionFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.database import Database
    from gateway.shares.booking import Booker
    from gateway.storage.blobs import BlobStore

#: What one transaction changes, at most: it has to fit into the reserve.
_BATCH: Final = 20
#: And where it may not use the reserve.
_ROWS: Final = 500
#: What one round looks at, at most.
_PARTIALS: Final = 1000
_LOCK_STEP: Final = 0.1
_DAY: Final = 86_400
#: Seconds after which no request begins any more that nginx has ended.
_EARLY: Final = 3600
#: Seconds that no download takes.
_LOST: Final = 7 * _DAY


@contextmanager
def only_one(store: BlobStore, *, patience: float) -> Iterator[None]:
    """Hold the store against others who tidy it, for up to *patience* seconds.

    Raise HousekeepingError when somebody else still holds it then.
    """
    descriptor = os.open(store.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not any(try_lock(descriptor) for _ in attempts(patience, every=_LOCK_STEP)):
            raise HousekeepingError(f"another housekeeper is busy in {store.root}")
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a round has done, by what was done, and what went wrong."""

    done: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Housekeeper:
    """Keeps one store and its catalog.

    ``say`` gets one line for each thing done, ``is_stopped`` is asked between
    two chunks of work, ``grace`` is how many seconds a file may have no row.
    ``booker`` books the ledger; without it somebody else does.  A share is kept for
    ``ledger_days`` after its end, with all that was booked of it.
    """

    database: Database
    store: BlobStore
    say: Callable[[str], None]
    is_stopped: Callable[[], bool] = bool
    grace: int = orphans.GRACE
    booker: Booker | None = None
    ledger_days: int = 90

    def round(self, *, now: int, with_sweep: bool = True) -> Report:
        """Do all that is to be done; what fails is reported and left for next time.

        *with_sweep* looks at every blob, too, for those without a row.
        """
        report = Report()
        for name, work in self._work(now, with_sweep=with_sweep):
            if self.is_stopped():
                break
            done = 0
            try:
                for count in work:
                    done += count
            except Exception as error:  # noqa: BLE001 -- serving goes on without it
                report.faults.append(f"{name}: {type(error).__name__}: {error}")
                self.say(f"failed, to be tried again: {report.faults[-1]}")
            if done:
                report.done[name] = done
                self.say(f"{name}: {done}")
        return report

    def _work(
        self, now: int, *, with_sweep: bool
    ) -> Iterator[tuple[str, Iterator[int]]]:
        if self.booker is not None:
            yield "lines of the ledger booked", iter([self.booker.round(now=now)])
        yield "unfinished uploads given up", self._partials(now)
        yield "uploads past their time deleted", self._uploads(now)
        # Before the spool: what has a spool file's content is young again, by its
        # ctime, when that one goes.
        if with_sweep:
            sweep = orphans.Sweep(
                self.database, self.store, now, self.grace, self.is_stopped
            )
            yield "blobs put back from the trash", sweep.put_back()
            yield "blobs of no upload moved to the trash", sweep.move()
            yield "blobs deleted from the trash", sweep.empty()
        yield "files of no unfinished upload deleted", self._partial_files(now)
        yield "spool leftovers deleted", self._spool(now)
        if self.database.reserve is None or not self.database.reserve.is_short():
            # On a full disk they wait: only what makes room may use the reserve.
            yield (
                "reservations, sessions, tries and revocations forgotten",
                self._rows(now),
            )
            yield "shares, leases and bookings forgotten", self._shares(now)
        yield (
            "digests written down",
            digests.record(self.database, self.store, is_stopped=self.is_stopped),
        )
        yield "reserves laid", self._reserve()

    def _partials(self, now: int) -> Iterator[int]:
        with self.database.read() as connection:
            expired = upload_sessions.expired(connection, now=now, limit=_PARTIALS)
        files = SessionFiles(self.store)
        for session in expired:
            if self.is_stopped():
                return
            # One that is being worked on is left for the next round.
            with suppress(LockedError), files.lock(session.id) as file:
                with self.database.write(may_use_reserve=True) as connection:
                    is_gone = expiry.remove_if_expired(connection, session.id, now=now)
                if is_gone:
                    file.remove()
                yield int(is_gone)

    def _uploads(self, now: int) -> Iterator[int]:
        while not self.is_stopped():
            with self.database.write(may_use_reserve=True) as connection:
                gone = expiry.remove_due(connection, now=now, limit=_BATCH)
            for upload in gone:
                self.store.discard(upload.blob)
            yield len(gone)
            if not gone:
                return

    def _spool(self, now: int) -> Iterator[int]:
        for path in leftovers.spool_files(self.store, now=now, grace=self.grace):
            path.unlink(missing_ok=True)
            yield 1

    def _rows(self, now: int) -> Iterator[int]:
        before = now - login_attempts.MEMORY
        while not self.is_stopped():
            with self.database.write() as connection:
                gone = (
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
            yield gone
            if not gone:
                return

    def _shares(self, now: int) -> Iterator[int]:
        before = now - self.ledger_days * _DAY
        for forget, until in (
            (leases.remove_over, now),
            (one_time_codes.remove_over, now),
            (bookings.remove_early, now - _EARLY),
            (bookings.remove_lost, now - _LOST),
            (bookings.remove_old_uses, before),
            (shares.remove_over, before),
        ):
            gone = 1
            while gone and not self.is_stopped():
                with self.database.write() as connection:
                    gone = forget(connection, before=until, limit=_ROWS)
                yield gone

    def _partial_files(self, now: int) -> Iterator[int]:
        for name in orphans.find_partials(
            self.database, self.store, now=now, grace=self.grace
        ):
            (self.store.sessions / name).unlink(missing_ok=True)
            yield 1

    def _reserve(self) -> Iterator[int]:
        reserve = self.database.reserve
        if reserve is not None and not reserve.is_allocated():
            yield int(reserve.allocate())
