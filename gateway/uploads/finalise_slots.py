"""Limits how many large uploads one process finalises at a time.

Finalising hashes, copies or syncs the file and keeps a thread busy as long as the disk
takes: seconds for some GiB, a minute on a slow disk.  Pages, the API and small uploads
need threads, too.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

from gateway.errors import NoFinaliseSlotError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Uploads of at least this many bytes need a slot: a tenth of a second's work.
LARGE: Final = 64 << 20


class FinaliseSlots:
    """The slots of one process for finalising large uploads."""

    def __init__(self, slots: int) -> None:
        self._free = BoundedSemaphore(slots)

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold a slot while *size* bytes are finalised; small uploads need none.

        Raise NoFinaliseSlotError if no slot is free.
        (!) Never wait for a slot: the waiting request would hold a thread.
        """
        if size < LARGE:
            yield
            return
        if not self._free.acquire(blocking=False):
            raise NoFinaliseSlotError
        try:
            yield
        finally:
            self._free.release()
