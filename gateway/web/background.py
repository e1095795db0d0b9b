"""Work that no answer waits for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Background:
    """Does one thing at a time in a thread; what comes meanwhile is dropped."""

    def __init__(self) -> None:
        self._busy = threading.Lock()

    def __call__(self, work: Callable[[], None]) -> None:
        """Begin *work* and return at once, unless there is other work."""
        if self._busy.acquire(blocking=False):
            threading.Thread(target=self._do, args=(work,), daemon=True).start()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self._busy.release()


def at_once(work: Callable[[], None]) -> None:
    """Do *work* here and now."""
    work()
