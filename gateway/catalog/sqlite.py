"""Connections to SQLite: a file with its log beside it, both on a disk that can fill.

In WAL mode readers do not wait for the writer.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.pool import QueuePool

from gateway.catalog.disk_reserve import CHECKPOINT_PAGES
from gateway.polling import attempts

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from gateway.catalog.disk_reserve import Reserve

#: Seconds between two attempts to set a new file's journal mode.
_MODE_INTERVAL: Final = 0.02


def engine(url: URL, reserve: Reserve | None, *, wait: int, **pool: int) -> Engine:
    """Return an engine whose writers wait for each other for *wait* milliseconds."""
    created = create_engine(url, poolclass=QueuePool, **pool)
    event.listen(created, "connect", partial(_configure, reserve, wait))
    event.listen(created, "begin", _begin)
    return created


def is_full(error: sqlite3.Error) -> bool:
    """Tell whether the error means that the disk is full."""
    # SQLite reports a journal that can't grow as an I/O error.
    return error.sqlite_errorcode in {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }


def _configure(
    reserve: Reserve | None,
    wait: int,
    connection: Any,  # noqa: ANN401
    _record: object,
) -> None:
    # The driver's own transaction handling begins too late; _begin does it instead.
    connection.isolation_level = None
    try:
        _set_wal_mode(connection, wait)
    except sqlite3.OperationalError as error:
        if reserve is None or not is_full(error):
            raise
        # The first connection creates the log and its index, which needs disk space.
        reserve.release()
        try:
            _set_wal_mode(connection, wait)
        finally:
            reserve.allocate()
    for pragma in (
        # In WAL mode, NORMAL may lose commits on a power failure.
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {wait}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _set_wal_mode(connection: sqlite3.Connection, wait: int) -> None:
    """Set WAL mode, which the file keeps; raise sqlite3.OperationalError on failure.

    If several connections set it at once in a new file, SQLite refuses without waiting:
    so retry.  The query of the schema creates the log's index if it does not exist.
    """
    for _ in attempts(wait / 1000, every=_MODE_INTERVAL):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("SELECT count(*) FROM sqlite_schema")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            last_error = error
        else:
            return
    raise last_error


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("gateway_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
