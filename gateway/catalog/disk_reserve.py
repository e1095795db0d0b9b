"""Disk space reserved beside an SQLite catalog, for when its disk is full.

Deleting a row needs space, too: SQLite first writes to its log.  On a full disk the
reserve is released during that write, so that deletes and revocations still work.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway import ownership

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes.  SQLite's log stays smaller (``CHECKPOINT_PAGES`` of 4 KiB).
SIZE: Final = 2**20
CHECKPOINT_PAGES: Final = 128


@dataclass(frozen=True)
class Reserve:
    """The file at ``path``, whose only purpose is to occupy disk space."""

    path: Path

    def allocate(self) -> bool:
        """Allocate the reserve, or as much as is free; tell whether it is complete."""
        allocated = self._allocated()
        with suppress(OSError):
            descriptor = ownership.open_private(self.path, os.O_WRONLY)
            with os.fdopen(descriptor, "wb"):
                if (size := min(SIZE, allocated + self.free_bytes())) > allocated:
                    os.posix_fallocate(descriptor, 0, size)
        return self.is_allocated()

    def release(self) -> None:
        """Free the space; keep the file, since a full disk may not take a new name."""
        with suppress(OSError):
            os.truncate(self.path, 0)

    def is_allocated(self) -> bool:
        """Tell whether the whole reserve is allocated."""
        return self._allocated() == SIZE

    def is_short(self) -> bool:
        """Tell whether reserve and free space together are less than two reserves."""
        return self._allocated() + self.free_bytes() < 2 * SIZE

    def free_bytes(self) -> int:
        """Return the free bytes on the catalog's file system."""
        state = os.statvfs(self.path.parent)
        return state.f_bavail * state.f_frsize

    def _allocated(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0
