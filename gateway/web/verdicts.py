"""What nginx asks beside a request for a signed URL: a verdict in headers alone.

A delivery needs no session, no route and no page, and answered before Flask takes the
request up it costs about half.  Whatever else comes of it Flask has the words for, and
is told it here: nothing is judged twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.delivery.accel import verdict_headers
from gateway.delivery.verdict import Delivery
from gateway.links.signed_url import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from gateway.delivery.verdict import SignedURLJudge, Verdict

#: nginx sets both, never a client, and WSGI names them so: the id of a request that it
#: asks about, and the address of the peer.
QUESTION: Final = "HTTP_X_VERDICT"
CLIENT_ADDRESS: Final = "HTTP_X_REAL_IP"
#: Where the view finds why there is no delivery, as an exception to raise.
OUTCOME: Final = "gateway.outcome"


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
            try:
                verdict = judged(self._judge, environ, now=self._clock())
            except Exception as error:  # noqa: BLE001 -- the view raises it again
                environ[OUTCOME] = error
            else:
                if isinstance(verdict, Delivery):
                    headers = verdict_headers(verdict)
                    headers["Content-Length"] = "0"
                    start_response("200 OK", list(headers.items()))
                    return ()
                environ[OUTCOME] = verdict.error
        return self._app(environ, start_response)


def judged(judge: SignedURLJudge, environ: WSGIEnvironment, *, now: float) -> Verdict:
    """Judge a request for ``/s/<token>/<path>``; raise CatalogBusyError as *judge*.

    The path is judged by its decoded bytes, which Werkzeug would patch to UTF-8.
    """
    token, _, path = environ["PATH_INFO"].removeprefix(PREFIX).partition("/")
    client = environ.get(CLIENT_ADDRESS, "")
    return judge.judge(token, path.encode("latin-1"), now=now, client=client)
