"""Room beside an SQLite catalog, kept for the day that its disk is full.

Deleting a row takes room too: SQLite first writes to its log.  On a full disk
the reserve is given up, so that what makes room or takes access away still works.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway import ownership

if TYPE_CHECKING:
    from pathlib import Path

#: SQLite's log is kept below this (``CHECKPOINT_PAGES`` of 4 KiB).
SIZE: Final = 2**20
CHECKPOINT_PAGES: Final = 128


@dataclass(frozen=True)
class Reserve:
    """The file at ``path``, which only takes up room."""

    path: Path

    def lay(self) -> bool:
        """Take the room, if there is twice as much; tell whether it is taken."""
        if self.is_laid():
            return True
        if self.free_bytes() < 2 * SIZE:
            return False
        try:
            descriptor = ownership.open_private(self.path, os.O_WRONLY)
            with os.fdopen(descriptor, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, SIZE)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the room up; housekeeping lays it again."""
        with suppress(OSError):
            self.path.unlink()

    def is_laid(self) -> bool:
        """Tell whether the room is taken."""
        try:
            return self.path.stat().st_size == SIZE
        except OSError:
            return False

    def is_short(self) -> bool:
        """Tell whether the disk is too full for one more careless write."""
        return self.free_bytes() < SIZE

    def is_in_use(self) -> bool:
        """Tell whether what is free is the reserve itself, or less."""
        return not self.is_laid() and self.free_bytes() < 2 * SIZE

    def free_bytes(self) -> int:
        """Return the bytes that the catalog's file system still has for us."""
        state = os.statvfs(self.path.parent)
        return state.f_bavail * state.f_frsize
