"""Connections to SQLite: a file with its log beside it, both on a disk that can fill.

WAL mode keeps readers from waiting for the writer.
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

#: Seconds between two tries to set a new file's mode.
_MODE_STEP: Final = 0.02


def engine(place: URL, reserve: Reserve | None, *, wait: int, **pool: int) -> Engine:
    """Return an engine whose writers wait for each other for *wait* milliseconds."""
    made = create_engine(place, poolclass=QueuePool, **pool)
    event.listen(made, "connect", partial(_configure, reserve, wait))
    event.listen(made, "begin", _begin)
    return made


def is_full(error: sqlite3.Error) -> bool:
    """Tell whether what the file's disk lacks is room."""
    # A journal that can't grow is an I/O error.
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
    # The driver's own transaction handling begins too late; ours is below.
    connection.isolation_level = None
    try:
        _log_ahead(connection, wait)
    except sqlite3.OperationalError as error:
        if reserve is None or not is_full(error):
            raise
        # The first connection makes the log and its index, which takes room.
        reserve.release()
        try:
            _log_ahead(connection, wait)
        finally:
            reserve.lay()
    for pragma in (
        # In WAL mode NORMAL may lose commits when the power fails.
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {wait}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _log_ahead(connection: sqlite3.Connection, wait: int) -> None:
    """Set WAL mode, which a file keeps; raise sqlite3.OperationalError if it can't be.

    Those who set it at once in a new file refuse each other without waiting.  The look
    at the schema has the log's index made, if nobody has it.
    """
    for _ in attempts(wait / 1000, every=_MODE_STEP):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("SELECT count(*) FROM sqlite_schema")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            refusal = error
        else:
            return
    raise refusal


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("gateway_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
