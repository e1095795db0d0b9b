"""What gunicorn says to a request that it can't read: nothing of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.base import Worker

from gateway.delivery.accel import UNFIT

if TYPE_CHECKING:
    from socket import socket

    from gunicorn.http.message import Request

#: nginx may ask for itself, or beside a request: 403 is an answer to both.
_ANSWER: Final = "".join(
    f"{line}\r\n"
    for line in (
        "HTTP/1.1 403 Forbidden",
        "Connection: close",
        "Content-Length: 0",
        *(f"{name}: {text}" for name, text in UNFIT.items()),
        "",
    )
).encode()
#: These are about the application's answer, and faults.
_FAULTS: Final = (
    errors.ConfigurationProblem,
    errors.InvalidResponseHeader,
    errors.InvalidResponseHeaderName,
)


class UnreadableRequestMixin(Worker):  # type: ignore[misc]
    """Has nginx tell a client in its own words that its request can't be read.

    gunicorn's own page quotes the request, with its token, and its log has a warning
    for whatever a client sends: a control character in a header, or two types.
    """

    def handle_error(
        self, req: Request | None, client: socket, addr: object, exc: BaseException
    ) -> None:
        """Answer for *exc*, which ended a request."""
        if isinstance(exc, errors.ParseException) and not isinstance(exc, _FAULTS):
            with suppress(OSError):  # nginx has gone
                util.write_nonblock(client, _ANSWER)
        else:
            super().handle_error(req, client, addr, exc)
