"""The downloads of a share as CSV for a spreadsheet (RFC 4180)."""

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
#: First characters of a cell that a spreadsheet would evaluate as a formula.
_FORMULA: Final = (*"=+-@\uff1d\uff0b\uff0d\uff20\t\r\n",)


def table(connection: Connection, share_id: str) -> Iterator[str]:
    """Yield the lines: the header, then one line for each file and lease.

    Times are UTC.  ``sent`` counts all bytes, ``covered`` each byte of the file once.
    """
    yield _line(_COLUMNS)
    for row in bookings.of_share(connection, share_id):
        yield _line(
            (
                *(row.recipient_id, row.recipient, row.label, row.lease_id),
                *(_moment(row.taken), row.taken_by or "", _yes_no(row.is_scanner)),
                *(row.item, row.name, row.path, row.size, row.requests, row.sent),
                *(row.covered, _yes_no(row.is_whole)),
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
        # nginx's clock was so wrong that the time is out of range for a date.
        return str(seconds)


def _yes_no(value: object) -> str:
    return "" if value is None else ("yes" if value else "no")
