"""When housekeeping last ran, which the catalog does not record.

The record is the modification time of an empty file in the data folder, so that it can
be renewed on a full disk, too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway import ownership
from gateway.errors import OwnershipError

if TYPE_CHECKING:
    from pathlib import Path

_FILE: Final = "last-housekeeping"


def record(data: Path, *, now: int) -> None:
    """Record a round that begins or ends at *now*; do nothing if that is impossible."""
    with suppress(OSError, OwnershipError):
        descriptor = ownership.open_private(data / _FILE, os.O_WRONLY)
        try:
            os.utime(descriptor, (now, now))
        finally:
            os.close(descriptor)


def recorded(data: Path) -> int | None:
    """Return the Unix time of the last record, or None if there is none."""
    try:
        return int((data / _FILE).stat().st_mtime)
    except FileNotFoundError:
        return None
