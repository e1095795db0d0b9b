"""The database connection: SQLite embedded, PostgreSQL by setting.

One writer at a time, on both databases.  ``Database.write`` takes one lock before the
transaction reads or changes anything, and the commit ends it: on SQLite the database's
own (``BEGIN IMMEDIATE``), on PostgreSQL an advisory lock.  So what a writer has read
stays true until it commits, and two writers never wait for each other's rows: there is
no order of locks to keep, and there are no deadlocks.

``write(alone=False)`` does not take the lock on PostgreSQL.  It is for a transaction
that changes a single row and decides nothing by what it has read: it holds nothing
while it waits for its row, so that it can't be part of a deadlock either.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import make_url, text
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from gateway.catalog import sqlite
from gateway.catalog.deferred import Later
from gateway.catalog.disk_reserve import Reserve
from gateway.errors import CatalogBusyError, NoSpaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

#: Milliseconds that a writer waits for another one.
_BUSY_TIMEOUT: Final = 5000
#: Seconds that PostgreSQL may say nothing, for commands: some read a whole table.
_SILENCE: Final = 60.0
#: Five connections of a process stay open while nobody uses them.  As many more are
#: opened as threads need at a time: no thread waits for another one.
_POOL: Final = {"pool_size": 5, "max_overflow": -1}
_DISK_FULL: Final = "53100"  # PostgreSQL, appendix A
#: The writers' lock on PostgreSQL: any number that no other program's lock has there.
_WRITERS: Final = 0x616363656C
_LOCK_WRITERS: Final = text(f"SELECT pg_advisory_xact_lock({_WRITERS})")


@dataclass(frozen=True)
class Database:
    """Opens connections.

    A database that is locked, away or broken raises CatalogBusyError, one whose
    disk is full NoSpaceError; the transaction is undone.  ``reserve`` is there
    for a database in a file.
    """

    engine: Engine
    reserve: Reserve | None = None
    later: Later = field(default_factory=Later)

    @classmethod
    def open(cls, url: str, *, silence: float = _SILENCE) -> Database:
        """Open the database at SQLAlchemy's *url*; nothing is connected yet.

        A PostgreSQL that says nothing for *silence* seconds is given up.
        """
        place = make_url(url)
        if place.get_backend_name() == "postgresql":
            from gateway.catalog import postgresql  # noqa: PLC0415 -- an extra

            return cls(
                postgresql.engine(place, silence=silence, wait=_BUSY_TIMEOUT, **_POOL)
            )
        file = place.database
        reserve = Reserve(Path(f"{file}.reserve")) if file else None
        engine = sqlite.engine(place, reserve, wait=_BUSY_TIMEOUT, **_POOL)
        return cls(engine, reserve)

    @property
    def file(self) -> Path | None:
        """Where SQLite keeps it; None if it is elsewhere, or in memory."""
        place = self.engine.url.database
        is_file = self.engine.dialect.name == "sqlite" and place
        return Path(place) if is_file and place else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for reading."""
        with _faults_are_ours(), self.engine.connect() as connection:
            yield connection

    def check_writable(self) -> None:
        """Raise CatalogBusyError if the server is read-only, as a standby is."""
        with self.read() as connection:
            if connection.dialect.name != "postgresql":
                return
            state = connection.execute(text("SHOW transaction_read_only")).scalar_one()
            if state == "on":
                # Another server may be the primary by now.
                connection.invalidate()
                raise CatalogBusyError("the server is read-only")

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give a connection whose every look sees the same moment."""
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
        """Give a transaction, committed durably at the end, undone on errors.

        Other writers wait until it ends; on PostgreSQL those that are not *alone* do
        not (see the module).  Deletes and what takes access away may use the reserve
        of a full disk: everything else is refused until there is room beside it.
        (!) Whatever else used it, an upload that is refused for example, could use it
            up: a link could not be taken back until somebody makes room.
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
        """Make a change that need not happen: a busy or full catalog is no error."""
        with (
            suppress(CatalogBusyError, NoSpaceError),
            self.write(alone=alone) as connection,
        ):
            change(connection)

    def make_sure(self, change: Callable[[Connection], object]) -> None:
        """Make a change now, or as soon as the catalog answers and has room.

        It is lost only with this process.  It does not use the reserve.
        """

        def make() -> None:
            with self.write() as connection:
                change(connection)

        try:
            make()
        except (CatalogBusyError, NoSpaceError):
            self.later.add(make)

    @contextmanager
    def _transaction(self, *, alone: bool) -> Iterator[Connection]:
        with (
            _faults_are_ours(),
            self.engine.connect().execution_options(gateway_writes=True) as connection,
            connection.begin(),
        ):
            if alone:
                wait_for_writers(connection)
            yield connection

    @contextmanager
    def _reserve_given_up(self) -> Iterator[None]:
        """Give up the reserve for one transaction, then take what is left of it.

        Another process may take that room before SQLite does.  So the log is written
        to its beginning again, where it need not grow, and keeps its size.
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
            self.reserve.lay()

    def _checkpoint(self) -> None:
        """Copy the log into the database, as far as nobody has to wait for that."""
        with (
            suppress(sqlite3.Error, NoSpaceError, CatalogBusyError),
            _faults_are_ours(),
            closing(self.engine.raw_connection()) as raw,
        ):
            raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")


def wait_for_writers(connection: Connection) -> None:
    """Wait until no other writer is there, and keep others out until the commit."""
    # On SQLite that was done when the transaction began.
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_WRITERS)


@contextmanager
def _faults_are_ours() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, InternalError) as error:
        # InternalError: PostgreSQL is read-only, as a standby is.
        if _is_full(error.orig):
            raise NoSpaceError from error
        raise CatalogBusyError(str(error.orig)) from error
    except sqlite3.OperationalError as error:
        # While a connection is being set up, nobody wraps the driver's errors.
        if _is_full(error):
            raise NoSpaceError from error
        raise CatalogBusyError(str(error)) from error


def _is_full(error: object) -> bool:
    if isinstance(error, sqlite3.Error):
        return sqlite.is_full(error)
    return getattr(error, "sqlstate", None) == _DISK_FULL
