"""gunicorn's worker of the verdicts' pool: its sync worker, less what costs."""

from __future__ import annotations

import time
from contextlib import suppress
from select import select
from threading import Thread
from typing import TYPE_CHECKING

from gunicorn import util
from gunicorn.http import get_parser
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.sync import SyncWorker

from gateway.runtime.unreadable_requests import UnreadableRequestMixin

if TYPE_CHECKING:
    from socket import socket

    from gunicorn.sock import BaseSocket


class VerdictWorker(UnreadableRequestMixin, SyncWorker):  # type: ignore[misc]
    """Answers one short question at a time, without a body, over a unix socket.

    Where SyncWorker waits until its peer has closed, this one closes when it has
    answered: what it wrote is in the peer's queue by then.
    (!) For requests without a body alone: were one unread, the peer could lose
        the answer.
    """

    _touched = 0.0

    def run(self) -> None:
        """Answer what comes to the first socket; a thread answers at the second.

        Each worker may be waiting for a catalog that does not answer.  Whether it lives
        is asked at the second, and told meanwhile.
        """
        for listener in self.sockets[1:]:
            self.wait_fds.remove(listener)
            Thread(target=self._answer, args=(listener,), daemon=True).start()
        del self.sockets[1:]
        super().run()

    def _answer(self, listener: BaseSocket) -> None:
        while self.alive:
            if select([listener], [], [], self.timeout)[0]:
                with suppress(BlockingIOError):  # another worker was faster
                    self.accept(listener)

    def notify(self) -> None:
        """Touch the heartbeat's file, once a second and not for each request."""
        now = time.monotonic()
        if now - self._touched >= 1:
            self._touched = now
            super().notify()

    def accept(self, listener: BaseSocket) -> None:
        """Take one connection; Python has made it blocking, and closed on exec."""
        client, address = listener.accept()
        self.handle(listener, client, address)

    def handle(self, listener: BaseSocket, client: socket, address: object) -> None:
        """Answer the one request of a connection."""
        request = None
        try:
            request = next(get_parser(self.cfg, client, address))
            self.handle_request(listener, request, client, address)
        except (BrokenPipeError, ConnectionResetError, NoMoreData, StopIteration):
            pass  # nginx has gone, or left after its answer had begun
        except BaseException as error:  # noqa: BLE001 -- a time-out is a SystemExit
            self.handle_error(request, client, address, error)
            # What could not be read may lie unread.
            util.close_graceful(client)
        finally:
            client.close()
