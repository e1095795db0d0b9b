"""Queries that every verdict asks: compiled once, on a connection that is kept.

SQLAlchemy's own way costs ten times as much, and a verdict is asked for every
request.  There is no transaction: one statement is consistent by itself.
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import CatalogBusyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from gateway.catalog.database import Database

#: Parameters by position, as each dialect's driver has them.
_STYLE: Final = {"postgresql": "format", "sqlite": "qmark"}


class Reader:
    """A driver's connection that is kept, one for each thread."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        # Any: what follows is the drivers' own, which SQLAlchemy does not type.
        self._dialect: Any = database.engine.dialect
        driver = self._dialect.loaded_dbapi
        self._faults = (driver.OperationalError, driver.InterfaceError)
        self._thread = threading.local()

    def text(self, query: Select[Any]) -> str:
        """Return the driver's text of *query*, with parameters by position."""
        style = _STYLE[self._dialect.name]
        return str(query.compile(dialect=type(self._dialect)(paramstyle=style)))

    def first(self, text: str, values: Sequence[object]) -> tuple[Any, ...] | None:
        """Return a query's first row, or None.

        Raise CatalogBusyError when the catalog does not answer; a connection
        that it has closed meanwhile is made anew, once.
        """
        row: tuple[Any, ...] | None
        kept = getattr(self._thread, "connection", None)
        try:
            row = (kept or self._connect()).execute(text, values).fetchone()
        except self._faults as error:
            if kept is None or not self._dialect.is_disconnect(error, kept, None):
                raise CatalogBusyError(str(error)) from error
        else:
            return row
        self.close()
        try:
            row = self._connect().execute(text, values).fetchone()
        except self._faults as error:
            raise CatalogBusyError(str(error)) from error
        return row

    def close(self) -> None:
        """Close this thread's connection, if there is one; the next query opens one."""
        if getattr(self._thread, "connection", None) is not None:
            self._thread.connection = None
            self._thread.pooled.invalidate()

    def _connect(self) -> Any:  # noqa: ANN401
        # Its place in the pool stays taken for as long as it is kept.
        pooled = self._engine.raw_connection()
        made: Any = pooled.driver_connection
        if self._dialect.name == "postgresql":
            # Else each statement would begin a transaction, at a round trip.
            made.autocommit = True
        self._thread.pooled, self._thread.connection = pooled, made
        return made


class Borrower(Reader):
    """Borrows a connection for each query: for those who ask seldom.

    Kept ones would be as many as a pool of workers has threads.
    """

    def first(self, text: str, values: Sequence[object]) -> tuple[Any, ...] | None:
        """Return a query's first row, or None; raise CatalogBusyError as Reader's."""
        row: tuple[Any, ...] | None
        try:
            with closing(self._engine.raw_connection()) as pooled:
                driver: Any = pooled.driver_connection
                row = driver.execute(text, values).fetchone()
        except self._faults as error:
            raise CatalogBusyError(str(error)) from error
        return row


class Lookup:
    """A query for at most one row.

    No type of SQLAlchemy's is applied: values are text, integers or bytes, as
    the driver has them.
    """

    def __init__(self, reader: Reader, query: Select[Any]) -> None:
        self._text = reader.text(query)
        self._reader = reader

    def first(self, *values: object) -> tuple[Any, ...] | None:
        """Return the first row for the query's parameters, in their order in it.

        Raise CatalogBusyError when the catalog does not answer.
        """
        return self._reader.first(self._text, values)
