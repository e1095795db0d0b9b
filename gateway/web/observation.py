"""Counts the requests that Flask answers, and the uploads among them.

Deliveries that are answered without Flask count themselves (``nginx/verdicts.py``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import g, request

from gateway.http.explanations import BAD_REQUEST, BY_STATUS
from gateway.http.families import Body
from gateway.http.pools import Pool
from gateway.metrics import verdicts
from gateway.metrics.counters import WAYS
from gateway.metrics.verdicts import Outcome, refused
from gateway.web.nginx.family import BEGIN, CUT, current_family
from gateway.web.nginx.headers import SPOOL_HEADER
from gateway.web.nginx.verdicts import BEGAN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Response

    from gateway.catalog.uploads import Upload
    from gateway.http.explanations import Explanation
    from gateway.http.families import Family
    from gateway.metrics.counters import RequestCounters
    from gateway.metrics.verdicts import FamilyCounts

_ANSWER: Final = Outcome("answer", "")
#: The outcomes of uploads, by the result of their request.
_UNSTORED: Final = {"refuse": "refused", "fail": "failed"}
_ERROR: Final = 400


def note(outcome: Outcome) -> None:
    """Note the outcome of the current request, if its status does not show it."""
    g.outcome = outcome


def note_refusal(explanation: Explanation) -> None:
    """Note that the current request is refused, and why."""
    note(refused(explanation.name))


def note_refused_file() -> None:
    """Note that a file of the current form is refused; others may be stored."""
    g.refused_files = g.get("refused_files", 0) + 1


@dataclass(frozen=True)
class Observer:
    """Counts verdicts in ``counts``, by family, and all other requests in ``requests``.

    Each pool answers only one of the two kinds.
    """

    counts: Mapping[str, FamilyCounts]
    requests: RequestCounters

    def register(self, app: Flask) -> None:
        """Observe all requests of *app*; register it before all other functions."""
        app.before_request(_begin)
        app.after_request(self._end)

    def stored(self, upload: Upload) -> None:
        """Count an upload that the current request has stored."""
        family = current_family()
        if family is not None:
            self.requests.stored(WAYS[family.name], upload.size)

    def _end(self, response: Response) -> Response:
        family = current_family()
        if family is None:
            return response
        took = time.perf_counter_ns() - request.environ[BEGAN]
        outcome = g.get("outcome") or _by_status(response.status_code)
        if family.pool is Pool.APP or request.path == BEGIN:
            self._request(family, outcome or _ANSWER, took / 1e9)
        elif family.name not in self.counts:
            pass  # a health check
        elif outcome is not None or request.method != "OPTIONS":
            self.counts[family.name].add(outcome or verdicts.DELIVER, took)
        return response

    def _request(self, family: Family, outcome: Outcome, seconds: float) -> None:
        self.requests.answered(family.name, outcome, seconds)
        if family.body is not Body.SPOOLED:
            return
        way, refused_files = WAYS[family.name], g.get("refused_files", 0)
        if request.path == CUT:
            # Without a file, the upload was refused before.
            if request.headers.get(SPOOL_HEADER):
                self.requests.unstored(way, "cut")
        elif refused_files:
            self.requests.unstored(way, "refused", refused_files)
        elif outcome.result in _UNSTORED:
            self.requests.unstored(way, _UNSTORED[outcome.result])


def _begin() -> None:
    request.environ.setdefault(BEGAN, time.perf_counter_ns())


def _by_status(status: int) -> Outcome | None:
    if status < _ERROR:
        return None
    return refused(BY_STATUS.get(status, BAD_REQUEST).name)
