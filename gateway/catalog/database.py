"""The database connection: embedded SQLite, or PostgreSQL by setting.

Both databases have one writer at a time.  ``Database.write`` takes one lock before the
transaction reads or changes anything, and the commit releases it: on SQLite the
database lock (``BEGIN IMMEDIATE``), on PostgreSQL an advisory lock.  So the data that a
writer has read does not change until it commits, and two writers never wait for each
other's rows: no lock order is needed, and there are no deadlocks.

``write(alone=False)`` does not take the lock on PostgreSQL.  It is for a transaction
that changes a single row and whose decisions do not depend on what it has read: it
holds no lock while it waits for its row, so that it can't cause a deadlock either.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import make_url, text
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.catalog import sqlite
from gateway.catalog.deferred import DeferredWrites
from gateway.catalog.disk_reserve import Reserve
from gateway.errors import CatalogBusyError, NoSpaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

#: Milliseconds that a writer waits for another writer.
_BUSY_TIMEOUT: Final = 5000
#: Seconds that PostgreSQL may stay silent, for commands: some read a whole table.
_SILENCE: Final = 60.0
#: Seconds that a thread waits for a connection of its process.
_POOL_TIMEOUT: Final = 5
#: Idle connections that stay open per process.
_KEPT: Final = 5
_DISK_FULL: Final = "53100"  # PostgreSQL, appendix A
#: Key of the writers' advisory lock on PostgreSQL: any number that no other program
#: uses there.
_WRITERS: Final = 0x616363656C
_LOCK_WRITERS: Final = text(f"SELECT pg_advisory_xact_lock({_WRITERS})")


@dataclass(frozen=True)
class Database:
    """Opens connections.

    Methods raise CatalogBusyError if the database is locked, unreachable or broken, and
    NoSpaceError if its disk is full; the transaction is rolled back.  ``reserve`` is
    set if the database is a file.
    """

    engine: Engine
    reserve: Reserve | None = None
    deferred: DeferredWrites = field(default_factory=DeferredWrites)

    @classmethod
    def open(
        cls, url: str, *, silence: float = _SILENCE, connections: int | None = None
    ) -> Database:
        """Create the engine for SQLAlchemy's *url* without connecting yet.

        Statements fail if PostgreSQL stays silent for *silence* seconds.  At most
        *connections* are open at once, by default as many as are needed.
        (!) With fewer connections than threads, a thread would wait for another's.
        """
        parsed = make_url(url)
        kept = _KEPT if connections is None else min(_KEPT, connections)
        more = -1 if connections is None else connections - kept
        pool = {"pool_size": kept, "max_overflow": more, "pool_timeout": _POOL_TIMEOUT}
        if parsed.get_backend_name() == "postgresql":
            from gateway.catalog import postgresql  # noqa: PLC0415 -- an extra

            return cls(
                postgresql.engine(parsed, silence=silence, wait=_BUSY_TIMEOUT, **pool)
            )
        file = parsed.database
        reserve = Reserve(Path(f"{file}.reserve")) if file else None
        engine = sqlite.engine(parsed, reserve, wait=_BUSY_TIMEOUT, **pool)
        return cls(engine, reserve)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for PostgreSQL and for a database in memory."""
        path = self.engine.url.database
        is_file = self.engine.dialect.name == "sqlite" and path
        return Path(path) if is_file and path else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection for reading."""
        with translated_errors(), self.engine.connect() as connection:
            yield connection

    def check_writable(self) -> None:
        """Raise CatalogBusyError if the server is read-only, as a standby is."""
        with self.read() as connection:
            if connection.dialect.name != "postgresql":
                return
            state = connection.execute(text("SHOW transaction_read_only")).scalar_one()
            if state == "on":
                # Reconnect: another server may be the primary by now.
                connection.invalidate()
                raise CatalogBusyError("the server is read-only")

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Yield a connection whose queries all see the same snapshot."""
        with self.read() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(
                    text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                )
            yield connection

    @contextmanager
    def write(
        self, *, may_use_reserve: bool = False, alone: bool = True
    ) -> Iterator[Connection]:
        """Yield a transaction, committed durably at the end, rolled back on errors.

        Other writers wait until it ends; on PostgreSQL, writers that are not *alone* do
        not wait (see the module).  Deletes and revocations may use the reserve when the
        disk is full: all other writes are refused until there is other free space.
        (!) If other writes (a refused upload, for example) were allowed to use the
            reserve, they could use it up: no link could be revoked until somebody frees
            space.
        """
        if self.reserve is not None and not may_use_reserve and self.reserve.is_short():
            raise NoSpaceError
        with (
            self._reserve_given_up() if may_use_reserve else nullcontext(),
            self._transaction(alone=alone) as connection,
        ):
            yield connection

    def attempt(
        self,
        change: Callable[[Connection], object],
        *,
        alone: bool = True,
    ) -> None:
        """Make an optional change: skip it if the catalog is busy or full."""
        with (
            suppress(CatalogBusyError, NoSpaceError),
            self.write(alone=alone) as connection,
        ):
            change(connection)

    def write_or_defer(self, change: Callable[[Connection], object]) -> None:
        """Make a change now, or later when the catalog answers and has free space.

        The change is lost only if this process ends.  It does not use the reserve.
        """

        def make() -> None:
            with self.write() as connection:
                change(connection)

        try:
            make()
        except (CatalogBusyError, NoSpaceError):
            self.deferred.add(make)

    @contextmanager
    def _transaction(self, *, alone: bool) -> Iterator[Connection]:
        with (
            translated_errors(),
            self.engine.connect().execution_options(gateway_writes=True) as connection,
            connection.begin(),
        ):
            if alone:
                wait_for_writers(connection)
            yield connection

    @contextmanager
    def _reserve_given_up(self) -> Iterator[None]:
        """Release the reserve for one transaction, then allocate it again.

        Another process may use the freed space before SQLite does.  So checkpoint the
        log first: SQLite then writes from the start of the log, which need not grow.
        """
        if self.reserve is None:
            yield
            return
        is_short = self.reserve.is_short()
        self.reserve.release()
        try:
            if is_short:
                self._checkpoint()
            yield
        finally:
            if is_short:
                self._checkpoint()
            self.reserve.allocate()

    def _checkpoint(self) -> None:
        """Copy the log into the database, as far as possible without waiting."""
        with (
            suppress(sqlite3.Error, NoSpaceError, CatalogBusyError),
            translated_errors(),
            closing(self.engine.raw_connection()) as raw,
        ):
            raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")


def wait_for_writers(connection: Connection) -> None:
    """Take the writers' lock, which keeps other writers out until the commit."""
    # On SQLite, BEGIN IMMEDIATE has taken the lock.
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_WRITERS)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise CatalogBusyError or NoSpaceError instead of the driver's errors."""
    try:
        yield
    except PoolTimeoutError as error:
        raise CatalogBusyError(str(error)) from error
    except (OperationalError, InterfaceError, InternalError) as error:
        # InternalError: PostgreSQL is read-only, for example a standby.
        if _is_full(error.orig):
            raise NoSpaceError from error
        raise CatalogBusyError(str(error.orig)) from error
    except sqlite3.OperationalError as error:
        # SQLAlchemy does not wrap the driver's errors while it sets up a connection.
        if _is_full(error):
            raise NoSpaceError from error
        raise CatalogBusyError(str(error)) from error


def _is_full(error: object) -> bool:
    if isinstance(error, sqlite3.Error):
        return sqlite.is_full(error)
    return getattr(error, "sqlstate", None) == _DISK_FULL
