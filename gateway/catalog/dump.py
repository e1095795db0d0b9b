"""The catalog as text, one JSON object per line: the same for every database.

The dump does not contain rows that exist only during an upload, a download or a login,
password attempts, one-time codes, the total (``load`` recounts it), the store's id, and
the schema's compatibility.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import LargeBinary, insert, select, text

from gateway.catalog import expiry, outbox
from gateway.catalog.schema import metadata, uploads

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from sqlalchemy import Connection

_LEFT_OUT: Final = frozenset(
    {
        "blob_place",
        "compatibility",
        "lease_requests",
        "one_time_codes",
        "upload_sessions",
        "reservations",
        "login_sessions",
        "totals",
        "login_attempts",
    }
)
#: A table comes after the tables that its foreign keys reference.
_TABLES: Final = {
    table.name: table for table in metadata.sorted_tables if table.name not in _LEFT_OUT
}
_BATCH: Final = 500


@dataclass(frozen=True)
class Line:
    """One row of a table."""

    table: str
    row: dict[str, Any]

    @classmethod
    def parse(cls, line: str) -> Line:
        """Parse the text that ``str`` returns; raise ValueError for anything else."""
        parsed = json.loads(line)
        if not isinstance(parsed, dict) or len(parsed) != 1:
            raise ValueError("a line must hold one row of one table")
        ((name, row),) = parsed.items()
        table = _TABLES.get(name)
        if (
            table is None
            or not isinstance(row, dict)
            or not row.keys() <= _columns(name)
        ):
            raise ValueError(f"unknown table {name!r}, or unknown columns in its row")
        return cls(
            name,
            {
                key: bytes.fromhex(value)
                if isinstance(table.c[key].type, LargeBinary) and value is not None
                else value
                for key, value in row.items()
            },
        )

    def __str__(self) -> str:
        return json.dumps({self.table: self.row}, default=bytes.hex)

    @property
    def is_upload(self) -> bool:
        """Tell whether the row is an upload, which has a blob."""
        return self.table == uploads.name


def read(connection: Connection) -> Iterator[Line]:
    """Yield every row that a backup needs."""
    for name, table in _TABLES.items():
        rows = connection.execution_options(yield_per=_BATCH).execute(select(table))
        for row in rows.mappings():
            yield Line(name, dict(row))


def is_empty(connection: Connection) -> bool:
    """Tell whether the catalog has no row that a backup would hold."""
    return not any(
        connection.execute(select(table).limit(1)).first() is not None
        for table in _TABLES.values()
    )


def load(
    connection: Connection, lines: Iterable[Line], *, without: Container[str]
) -> None:
    """Insert the rows, except uploads whose ids are in *without*."""
    wanted = (
        line for line in lines if not (line.is_upload and line.row["id"] in without)
    )
    for name, group in groupby(wanted, key=lambda line: line.table):
        while batch := [line.row for line in islice(group, _BATCH)]:
            connection.execute(insert(_TABLES[name]), batch)
    expiry.recount(connection)
    outbox.leave_unknown(connection)
    if connection.dialect.name == "postgresql":
        # Inserting rows with ids does not advance PostgreSQL's sequence.
        for table in ("users", "audit", "outbox"):
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "  # noqa: S608
                    f"(SELECT coalesce(max(id), 1) FROM {table}))"
                )
            )


def _columns(name: str) -> set[str]:
    return set(_TABLES[name].c.keys())
