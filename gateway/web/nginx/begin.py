"""``/_begin``: a GET of a counted download begins, asked by nginx for its client.

A verdict can't say more than who may have the file: its workers write nothing.  So
nginx sends a GET whose lease may still lose its place here, where that is noted.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from flask import Blueprint, request

from gateway.catalog import leases
from gateway.catalog.leases import BegunRequest
from gateway.delivery.accel import accel_headers
from gateway.delivery.verdict import Begin, Refusal
from gateway.errors import NotServableError
from gateway.http import families
from gateway.shares.codes import LEASE_PREFIX
from gateway.web.nginx.empty_response import EmptyResponse
from gateway.web.nginx.family import BEGIN
from gateway.web.nginx.headers import original_path
from gateway.web.problems import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from gateway.catalog.database import Database
    from gateway.shares.leased import LeaseJudge

#: nginx says here which start of it this is (``nginx/ledger.sh``).
RUN_HEADER: Final = "X-Gateway-Run"
_RUN_LENGTH: Final = 64


@dataclass(frozen=True)
class DownloadStarts:
    """The view that nginx asks; ``gateway`` is the id of the gateway whose nginx it is.

    ``clock`` tells Unix seconds.
    """

    judge: LeaseJudge
    database: Database
    gateway: str
    clock: Callable[[], float]

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("begin", __name__)
        routes.add_url_rule(BEGIN, view_func=self.begin)
        return routes

    def begin(self) -> Response:
        """Hand the file to nginx; of a GET it is noted first that it is on its way.

        HEAD begins nothing.
        """
        path = unquote_to_bytes(original_path())
        if families.of(request.method, path.decode("latin-1")) is not families.LEASED:
            raise NotServableError("no-lease")
        now = self.clock()
        token, _, target = path.removeprefix(LEASE_PREFIX.encode()).partition(b"/")
        verdict = self.judge.judge(token.decode("latin-1"), target, now=now, client="")
        if isinstance(verdict, Refusal):
            raise verdict.error
        if isinstance(verdict, Begin):
            if request.method == "GET":
                with self.database.write() as connection:
                    leases.begin(
                        connection, verdict.lease_id, self._request(), now=int(now)
                    )
            verdict = verdict.delivery
        return EmptyResponse(headers=accel_headers(verdict))

    def _request(self) -> BegunRequest:
        return BegunRequest(
            id=request.headers.get(REQUEST_ID_HEADER) or secrets.token_hex(16),
            gateway=self.gateway,
            run=request.headers.get(RUN_HEADER, "")[:_RUN_LENGTH],
        )
