"""Room beside an SQLite catalog, kept for the day that its disk is full.

Deleting a row takes room too: SQLite first writes to its log.  On a full disk
the reserve is given up for that moment, so that deletes and revocations still work.
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
        """Take the room, or as much of it as there is; tell whether it is all taken."""
        held = self._held()
        with suppress(OSError):
            descriptor = ownership.open_private(self.path, os.O_WRONLY)
            with os.fdopen(descriptor, "wb"):
                if (room := min(SIZE, held + self.free_bytes())) > held:
                    os.posix_fallocate(descriptor, 0, room)
        return self.is_allocated()

    def release(self) -> None:
        """Give the room up; the file stays, since a new one may find no name."""
        with suppress(OSError):
            os.truncate(self.path, 0)

    def is_allocated(self) -> bool:
        """Tell whether all of the room is taken."""
        return self._held() == SIZE

    def is_short(self) -> bool:
        """Tell whether there is less than the reserve and as much beside it."""
        return self._held() + self.free_bytes() < 2 * SIZE

    def free_bytes(self) -> int:
        """Return the bytes that the catalog's file system still has for us."""
        state = os.statvfs(self.path.parent)
        return state.f_bavail * state.f_frsize

    def _held(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0
