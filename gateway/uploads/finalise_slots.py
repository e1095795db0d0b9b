"""How many large uploads one process brings to their end at a time.

Such an end is hashed, copied or synced, which takes a thread for as long as the disk
does: seconds for some GiB, a minute on a slow one.  Pages, the API and all that is
small need threads, too.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

from gateway.errors import NoFinaliseSlotError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes from which on an upload's end is a large one: a tenth of a second's work.
LARGE: Final = 64 << 20


class Ends:
    """Has a number of places for the ends of large uploads."""

    def __init__(self, places: int) -> None:
        self._free = BoundedSemaphore(places)

    @contextmanager
    def one(self, size: int) -> Iterator[None]:
        """Hold a place while *size* bytes are worked on; few bytes need none.

        Raise NoFinaliseSlotError if all are taken.
        (!) Who waited for one would hold a thread.
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
