"""Writes that failed because the catalog was busy or full, retried in a thread."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from gateway.errors import CatalogBusyError, NoSpaceError
from gateway.polling import attempts

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER: Final = logging.getLogger(__name__)
#: Seconds between two attempts.
_INTERVAL: Final = 0.5
#: Maximum queue length: more than can run at a time. Beyond it the oldest is dropped.
_MAXIMUM: Final = 10_000


class DeferredWrites:
    """Retries queued writes in order, in a thread that runs while the queue has any.

    Queued writes are lost when the process ends.
    """

    def __init__(self) -> None:
        self._queue: deque[Callable[[], None]] = deque(maxlen=_MAXIMUM)
        self._lock = threading.Lock()
        self._is_running = False

    def add(self, write: Callable[[], None]) -> None:
        """Queue *write*, which is retried while it raises CatalogBusyError."""
        with self._lock:
            self._queue.append(write)
            if self._is_running:
                return
            self._is_running = True
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (write := self._next()) is not None:
            for _ in attempts(math.inf, every=_INTERVAL):
                if _is_done(write):
                    break

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            self._is_running = bool(self._queue)
            return self._queue.popleft() if self._queue else None


def _is_done(write: Callable[[], None]) -> bool:
    try:
        write()
    except (CatalogBusyError, NoSpaceError):
        return False
    except Exception:
        # (!) An exception would end the thread, and later writes would never run.
        _LOGGER.exception("a deferred write failed")
    return True
