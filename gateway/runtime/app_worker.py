"""The app pool's gunicorn worker: gthread without gunicorn's error pages."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from gunicorn.workers.gthread import ThreadWorker

from gateway.metrics.slots import Slot
from gateway.runtime.unreadable_requests import UnreadableRequestMixin

if TYPE_CHECKING:
    from gunicorn.workers.gthread import TConn


class AppWorker(UnreadableRequestMixin, ThreadWorker):  # type: ignore[misc]
    """Handles one request per thread at a time."""

    #: gunicorn.conf.py sets the slot after the fork.
    slot = Slot.alone()
    _counting = Lock()

    def handle(self, conn: TConn) -> object:
        """Handle a connection in a thread, which is busy meanwhile."""
        self._change_busy(1)
        try:
            return super().handle(conn)
        finally:
            self._change_busy(-1)

    def _change_busy(self, change: int) -> None:
        with self._counting:
            self.slot.busy[0] += change
