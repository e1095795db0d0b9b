"""Logs why the catalog or a bucket did not answer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from flask import current_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.errors import GatewayError

#: Seconds between two log lines of a process.
_EVERY: Final = 10.0


class OutageLog:
    """Logs one error every ten seconds: other requests fail for the same reason."""

    def __init__(self, start: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._start = start
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._suppressed = 0

    def log(self, error: GatewayError) -> None:
        """Log *error*, or only count it if a line was logged recently."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                self._suppressed += 1
                return
            self._next = now + _EVERY
            suppressed, self._suppressed = self._suppressed, 0
        more = (
            f" ({suppressed} more times since the last such line)" if suppressed else ""
        )
        cause = " ".join(str(error).split())
        current_app.logger.warning("%s%s%s", self._start, cause, more)


OUTAGES: Final = OutageLog("the catalog does not answer: ")
#: The text of the error says which bucket does not answer.
BUCKET_OUTAGES: Final = OutageLog("")
