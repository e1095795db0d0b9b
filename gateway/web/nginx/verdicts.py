"""Verdicts: answers nginx's requests about deliveries, with headers only.

A delivery needs no session, route or page; answering it before Flask handles the
request takes about half the time.  Flask answers refusals and errors: this module
passes the error to Flask, so that no request is judged twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, Protocol

from gateway.delivery.accel import BEGIN, verdict_headers
from gateway.delivery.verdict import Begin, Delivery
from gateway.metrics import verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from gateway.delivery.verdict import Verdict
    from gateway.metrics.verdicts import FamilyCounts

#: Headers that only nginx sets, by their WSGI names: the id of the request to judge,
#: and the client's address.
VERDICT_HEADER: Final = "HTTP_X_VERDICT"
CLIENT_ADDRESS: Final = "HTTP_X_REAL_IP"
#: The WSGI key of the exception that the view raises when there is no delivery.
VERDICT_ERROR: Final = "gateway.verdict_error"
#: The WSGI key of the time at which the request began (``perf_counter_ns``).
BEGAN: Final = "gateway.began"


class Judge(Protocol):
    """Decides about requests for ``<prefix><target>``."""

    def judge(self, target: bytes, *, now: float, client: str) -> Verdict:
        """Judge one request; *target* is percent-decoded, *now* Unix seconds."""


#: The judges by path prefix, such as ``/s/``.
Judges = Mapping[str, Judge]


class Verdicts:
    """A WSGI application that answers deliveries and passes the rest on to *app*."""

    def __init__(
        self,
        app: WSGIApplication,
        judges: Judges,
        counts: Mapping[str, FamilyCounts],
        clock: Callable[[], float],
    ) -> None:
        """Count the answers in *counts*, which has an entry for each judge's prefix."""
        self._app = app
        self._judges = judges
        self._counts = counts
        self._clock = clock

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        began = perf_counter_ns()
        prefix = environ["PATH_INFO"][:3]
        if VERDICT_HEADER in environ and prefix in self._judges:
            try:
                verdict = judge_request(self._judges, environ, now=self._clock())
            except Exception as error:  # noqa: BLE001 -- the view raises it again
                environ[VERDICT_ERROR] = error
            else:
                if isinstance(verdict, Delivery):
                    answer = _empty(start_response, "200 OK", verdict_headers(verdict))
                    took = perf_counter_ns() - began
                    self._counts[prefix].delivered(took)
                    return answer
                if isinstance(verdict, Begin):
                    answer = _empty(start_response, "403 Forbidden", BEGIN)
                    took = perf_counter_ns() - began
                    self._counts[prefix].add(verdicts.BEGIN, took)
                    return answer
                environ[VERDICT_ERROR] = verdict.error
        environ[BEGAN] = began
        return self._app(environ, start_response)


def _empty(
    start_response: StartResponse, status: str, headers: dict[str, str]
) -> Iterable[bytes]:
    start_response(status, [*headers.items(), ("Content-Length", "0")])
    return ()


def judge_request(judges: Judges, environ: WSGIEnvironment, *, now: float) -> Verdict:
    """Judge a request for ``<prefix><target>``; raise CatalogBusyError.

    The judge gets the path's decoded bytes, which Werkzeug would change to UTF-8.
    """
    path = environ["PATH_INFO"]
    client = environ.get(CLIENT_ADDRESS, "")
    return judges[path[:3]].judge(path[3:].encode("latin-1"), now=now, client=client)
