"""What was sent of a share, as a table for a spreadsheet (RFC 4180)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gateway.catalog import bookings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_COLUMNS: Final = (
    *("recipient", "address", "label"),
    *("lease", "taken", "taken_by", "probably_a_scanner"),
    *("item", "name", "path", "size"),
    *("requests", "sent", "covered", "whole", "first", "last", "agent", "network"),
)
#: What a spreadsheet would take for a formula.
_FORMULA: Final = (*"=+-@\uff1d\uff0b\uff0d\uff20\t\r\n",)


def table(connection: Connection, share_id: str) -> Iterator[str]:
    """Yield the lines: names of columns, then one for each file and lease.

    Times are UTC; ``covered`` are different bytes, ``sent`` all of them.
    """
    yield _line(_COLUMNS)
    for row in bookings.of_share(connection, share_id):
        yield _line(
            (
                *(row.recipient_id, row.recipient, row.label, row.lease_id),
                *(_moment(row.taken), row.taken_by or "", _truth(row.is_scanner)),
                *(row.item, row.name, row.path, row.size, row.requests, row.sent),
                *(row.covered, _truth(row.is_whole)),
                *(_moment(row.first), _moment(row.last), row.agent, row.address),
            )
        )


def _line(cells: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_cell(cell) for cell in cells])
    return line.getvalue()


def _cell(value: object) -> object:
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, OSError, ValueError):
        # nginx's clock was wrong by more than a date can say.
        return str(seconds)


def _truth(value: object) -> str:
    return "" if value is None else ("yes" if value else "no")
