"""Runs work in the background: no answer waits for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Background:
    """Runs one job at a time in a thread; drops other jobs while a job runs."""

    def __init__(self) -> None:
        self._busy = threading.Lock()

    def __call__(self, work: Callable[[], None]) -> None:
        """Start *work* and return at once; do nothing while another job runs."""
        if self._busy.acquire(blocking=False):
            threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self._busy.release()


def at_once(work: Callable[[], None]) -> None:
    """Run *work* in the calling thread."""
    work()
