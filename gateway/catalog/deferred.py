"""Work that a catalog could not do, done as soon as it can."""

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
#: Seconds between two tries.
_EVERY: Final = 0.5
#: More than can run at a time; beyond that the oldest is dropped.
_MOST: Final = 10_000


class Later:
    """Tries what is left to do in its order, in a thread, as long as there is any.

    What is left when the process ends is lost.
    """

    def __init__(self) -> None:
        self._left: deque[Callable[[], None]] = deque(maxlen=_MOST)
        self._lock = threading.Lock()
        self._is_trying = False

    def add(self, work: Callable[[], None]) -> None:
        """Have *work* done, which raises CatalogBusyError as long as it can't be."""
        with self._lock:
            self._left.append(work)
            if self._is_trying:
                return
            self._is_trying = True
        threading.Thread(target=self._try, daemon=True).start()

    def _try(self) -> None:
        while (work := self._next()) is not None:
            for _ in attempts(math.inf, every=_EVERY):
                if _is_done(work):
                    break

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            self._is_trying = bool(self._left)
            return self._left.popleft() if self._left else None


def _is_done(work: Callable[[], None]) -> bool:
    try:
        work()
    except (CatalogBusyError, NoSpaceError):
        return False
    except Exception:
        # (!) Raised, it would end the thread, and nothing added later would be done.
        _LOGGER.exception("work that was left for later has failed")
    return True
