"""Queries of every verdict: compiled once, executed on a connection that stays open.

SQLAlchemy's own execution costs ten times as much, and every delivery needs a verdict.
There is no transaction: a single statement is always consistent.
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.errors import CatalogBusyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from gateway.catalog.database import Database

#: The style of positional parameters of each dialect's driver.
_STYLE: Final = {"postgresql": "format", "sqlite": "qmark"}


class Reader:
    """Keeps one connection of the driver open per thread."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        # Any: SQLAlchemy does not type the drivers' interfaces.
        self._dialect: Any = database.engine.dialect
        driver = self._dialect.loaded_dbapi
        self._errors = (
            driver.OperationalError,
            driver.InterfaceError,
            PoolTimeoutError,
        )
        self._thread = threading.local()

    def text(self, query: Select[Any]) -> str:
        """Return *query* as SQL for the driver, with positional parameters."""
        style = _STYLE[self._dialect.name]
        return str(query.compile(dialect=type(self._dialect)(paramstyle=style)))

    def first(self, text: str, values: Sequence[object]) -> tuple[Any, ...] | None:
        """Return a query's first row, or None.

        If the catalog has closed the connection, reconnect once.  Raise
        CatalogBusyError if the catalog does not answer.
        """
        row: tuple[Any, ...] | None
        connection = getattr(self._thread, "connection", None)
        try:
            row = (connection or self._connect()).execute(text, values).fetchone()
        except self._errors as error:
            is_new = connection is None
            if is_new or not self._dialect.is_disconnect(error, connection, None):
                raise CatalogBusyError(str(error)) from error
        else:
            return row
        self.close()
        try:
            row = self._connect().execute(text, values).fetchone()
        except self._errors as error:
            raise CatalogBusyError(str(error)) from error
        return row

    def close(self) -> None:
        """Close this thread's connection, if there is one; the next query opens one."""
        if getattr(self._thread, "connection", None) is not None:
            self._thread.connection = None
            self._thread.pooled.invalidate()

    def _connect(self) -> Any:  # noqa: ANN401
        # The connection stays checked out of the pool as long as it is open.
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        if self._dialect.name == "postgresql":
            # Without autocommit, each statement would cost a round trip for BEGIN.
            connection.autocommit = True
        self._thread.pooled, self._thread.connection = pooled, connection
        return connection


class Borrower(Reader):
    """Borrows a connection from the pool for each query: for infrequent queries.

    A Reader would keep one connection open per thread of the worker pool.
    """

    def first(self, text: str, values: Sequence[object]) -> tuple[Any, ...] | None:
        """Return a query's first row, or None; raise CatalogBusyError like Reader."""
        row: tuple[Any, ...] | None
        try:
            with closing(self._engine.raw_connection()) as pooled:
                driver: Any = pooled.driver_connection
                row = driver.execute(text, values).fetchone()
        except self._errors as error:
            raise CatalogBusyError(str(error)) from error
        return row


class Lookup:
    """A query for at most one row.

    SQLAlchemy's types are not applied: values are text, integers or bytes, as the
    driver returns them.
    """

    def __init__(self, reader: Reader, query: Select[Any]) -> None:
        self._text = reader.text(query)
        self._reader = reader

    def first(self, *values: object) -> tuple[Any, ...] | None:
        """Return the first row; *values* are the parameters in the query's order.

        Raise CatalogBusyError if the catalog does not answer.
        """
        return self._reader.first(self._text, values)
