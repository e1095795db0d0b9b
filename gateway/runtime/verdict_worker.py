"""The verdicts pool's gunicorn worker: the sync worker without its slow parts."""

from __future__ import annotations

import time
from contextlib import suppress
from select import select
from threading import Thread
from typing import TYPE_CHECKING

from gunicorn import util
from gunicorn.http import get_parser
from gunicorn.http.errors import NoMoreData
from gunicorn.http.wsgi import Response, create
from gunicorn.workers.sync import SyncWorker

from gateway.metrics.slots import Slot
from gateway.runtime.unreadable_requests import UnreadableRequestMixin

if TYPE_CHECKING:
    from socket import socket

    from gunicorn.http.message import Request
    from gunicorn.sock import BaseSocket


class _ShortResponse(Response):  # type: ignore[misc]
    """A response without the headers that nginx does not need.

    Without Server, Date and Connection.  nginx keeps a verdict with all of its headers,
    and reads them again for each request that uses it.
    """

    def default_headers(self) -> list[str]:
        """Return the status line, and the framing of a body of unknown length."""
        lines = [f"HTTP/1.1 {self.status}\r\n"]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines


class VerdictWorker(UnreadableRequestMixin, SyncWorker):  # type: ignore[misc]
    """Handles one request without a body at a time, on a unix socket.

    SyncWorker waits until its peer closes the connection.  This worker closes it after
    the response: the written bytes are in the peer's queue by then.
    (!) Only for requests without a body: if a body were left unread, the peer could
        lose the response.
    gunicorn's hooks, its access log and ``max_requests`` are not supported.
    """

    #: gunicorn.conf.py sets the slot after the fork.
    slot = Slot.alone()
    _touched = 0.0

    def run(self) -> None:
        """Handle requests on the first socket; a thread handles the second one.

        All workers may be waiting for a catalog that does not answer.  Health checks
        use the second socket and are answered meanwhile.
        """
        for listener in self.sockets[1:]:
            self.wait_fds.remove(listener)
            Thread(target=self._answer, args=(listener,), daemon=True).start()
        del self.sockets[1:]
        super().run()

    def _answer(self, listener: BaseSocket) -> None:
        while self.alive:
            if select([listener], [], [], self.timeout)[0]:
                with suppress(BlockingIOError):  # another worker was first
                    self.handle(listener, *listener.accept())

    def notify(self) -> None:
        """Update the heartbeat file once per second instead of at each request."""
        now = time.monotonic()
        if now - self._touched >= 1:
            self._touched = now
            super().notify()

    def accept(self, listener: BaseSocket) -> None:
        """Accept one connection; Python makes it blocking and close-on-exec."""
        client, address = listener.accept()
        busy = self.slot.busy
        busy[0] = 1
        try:
            self.handle(listener, client, address)
        finally:
            busy[0] = 0

    def handle(self, listener: BaseSocket, client: socket, address: object) -> None:
        """Handle the only request of a connection."""
        request = None
        try:
            request = next(get_parser(self.cfg, client, address))
            self.handle_request(listener, request, client, address)
        except (BrokenPipeError, ConnectionResetError, NoMoreData, StopIteration):
            pass  # nginx has closed the connection, perhaps during the response
        except BaseException as error:  # noqa: BLE001 -- a timeout is a SystemExit
            self.handle_error(request, client, address, error)
            # Part of the request may be unread.
            util.close_graceful(client)
        finally:
            client.close()

    def handle_request(
        self, listener: BaseSocket, request: Request, client: socket, address: object
    ) -> None:
        """Answer one request; the body is complete before the first byte is sent."""
        _, environ = create(request, client, address, listener.getsockname(), self.cfg)
        response = _ShortResponse(request, client, self.cfg)
        parts = self.wsgi(environ, response.start_response)
        try:
            response.write(b"".join(parts))
            response.close()
        finally:
            if hasattr(parts, "close"):
                parts.close()
