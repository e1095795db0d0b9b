"""Replace gunicorn's answer to a request that it can't parse."""

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

#: 403, which is valid for a proxied request as well as for an auth_request subrequest.
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
#: Parse exceptions that concern the application's response: these are real faults.
_FAULTS: Final = (
    errors.ConfigurationProblem,
    errors.InvalidResponseHeader,
    errors.InvalidResponseHeaderName,
)


class UnreadableRequestMixin(Worker):  # type: ignore[misc]
    """Has nginx send its own error page for a request that gunicorn can't parse.

    gunicorn's page quotes the request line, with its token, and gunicorn logs a warning
    for each malformed request: a control character in a header, or two Content-Types.
    """

    def handle_error(
        self, req: Request | None, client: socket, addr: object, exc: BaseException
    ) -> None:
        """Answer a request that ended with the exception *exc*."""
        if isinstance(exc, errors.ParseException) and not isinstance(exc, _FAULTS):
            with suppress(OSError):  # nginx has closed the connection
                util.write_nonblock(client, _ANSWER)
        else:
            super().handle_error(req, client, addr, exc)
