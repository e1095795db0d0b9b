"""What nginx asks beside a request for a signed URL: a verdict in headers alone.

A delivery needs no session, no route and no page, and answered before Flask takes the
request up it costs about half.  What is refused goes on to Flask, which has the words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.delivery.accel import verdict_headers
from gateway.delivery.verdict import Delivery
from gateway.errors import CatalogBusyError
from gateway.links.signed_url import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from gateway.delivery.verdict import SignedURLJudge

#: nginx sets both, never a client, and WSGI names them so: the id of a request that it
#: asks about, and the address of the peer.
QUESTION: Final = "HTTP_X_VERDICT"
CLIENT_ADDRESS: Final = "HTTP_X_REAL_IP"


class Verdicts:
    """A WSGI application that answers what *judge* lets pass, and else asks *app*."""

    def __init__(
        self, app: WSGIApplication, judge: SignedURLJudge, clock: Callable[[], float]
    ) -> None:
        self._app = app
        self._judge = judge
        self._clock = clock

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        if QUESTION in environ and environ["PATH_INFO"].startswith(PREFIX):
            delivery = self._delivery(environ)
            if delivery is not None:
                headers = verdict_headers(delivery)
                headers["Content-Length"] = "0"
                start_response("200 OK", list(headers.items()))
                return ()
        return self._app(environ, start_response)

    def _delivery(self, environ: WSGIEnvironment) -> Delivery | None:
        token, _, path = environ["PATH_INFO"].removeprefix(PREFIX).partition("/")
        try:
            verdict = self._judge.judge(
                token,
                path.encode("latin-1"),
                now=self._clock(),
                client=environ.get(CLIENT_ADDRESS, ""),
            )
        except CatalogBusyError:
            return None
        return verdict if isinstance(verdict, Delivery) else None
